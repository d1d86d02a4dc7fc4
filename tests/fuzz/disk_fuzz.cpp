// Everything that is read back from a disk, on bytes that the disk made up: decoding succeeds or is an error, and what
// was decoded encodes to the same bytes. The first byte chooses the decoder.
//
// A checksum vouches for an index file, so that a fuzzer would get no further than its last eight bytes; here it is
// always right. What lies behind it must hold nevertheless: it does not help against the bug that wrote the file.

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "encoding.hpp"
#include "fuzzing.hpp"
#include "slot_table.hpp"
#include "vectorizer/index/vector_index.hpp"
#include "vectorizer/model/point_id.hpp"

namespace {

using namespace vectorizer;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

// ---- ids, keys, values ----

void check_id(std::string_view bytes) {
  const auto id = PointId::decode(bytes);
  if (!id) return;
  require(id->encode() == bytes, "an id encodes to other bytes");
  require(!id->to_json().empty(), "an id has no JSON");
}

/// Scans are in the order of the bytes, merging is in the order of ids.
void check_id_order(std::string_view bytes) {
  const std::size_t half = bytes.size() / 2;
  const auto left = PointId::decode(bytes.substr(0, half));
  const auto right = PointId::decode(bytes.substr(half));
  if (!left || !right) return;
  const auto by_bytes = bytes.substr(0, half) <=> bytes.substr(half);
  require((*left <=> *right) == by_bytes, "ids and their bytes are ordered differently");
}

void check_keys(std::string_view bytes) {
  if (const auto id = storage::id_of_key(bytes)) {
    storage::CopyNumber copy = 0;
    for (const char c : bytes.substr(0, sizeof copy)) copy = copy << 8 | static_cast<unsigned char>(c);
    const std::string key = storage::point_key(copy, *id);
    require(key == bytes, "a key encodes to other bytes");
    require(storage::copy_prefix(copy) < key && key < storage::copy_end(copy), "a key lies outside its copy");
  }
  if (const auto sequence = storage::decode_sequence(bytes)) {
    require(storage::encode_sequence(*sequence) == bytes, "a sequence encodes to other bytes");
  }
}

void check_point_value(std::string_view bytes) {
  const PointId id(std::string("a\xFF\"b"));
  const auto stored = storage::decode_point_value(id, bytes);
  if (!stored) {
    require(!stored.error().message.empty(), "an error without a message");
    return;
  }
  require(stored->point.id == id, "another id");
  require(stored->point.vector.size() <= storage::kMaxStoredDimension, "an impossible dimension");
  std::string again;
  storage::append_point_value(again, stored->sequence, stored->point);
  require(again == bytes, "a point encodes to other bytes");
}

void check_result_value(std::string_view bytes) {
  const auto stored = storage::decode_result_value(bytes);
  if (!stored) {
    require(!stored.error().message.empty(), "an error without a message");
    return;
  }
  std::string again;
  storage::append_result_value(again, stored->sequence, *stored->result);
  const bool same = again == bytes;
  const bool none_missing = again.size() < bytes.size();  // bits that say nothing need not be there
  require(same || none_missing, "a result encodes to other bytes");
}

// ---- slot table ----

void check_slot_table(std::string_view bytes) {
  const auto saved = shard::SlotTable::decode(bytes);
  if (!saved) return;
  constexpr std::size_t kCountAt = 8;
  std::uint64_t count = 0;
  std::memcpy(&count, bytes.data() + kCountAt, sizeof count);
  std::set<PointId> ids;
  for (const auto& slot : *saved) {
    require(slot.slot < count, "a slot beyond the table");
    if (!ids.insert(slot.id).second) return;  // recovery refuses an id that is there twice
  }
  shard::SlotTable table;
  table.append_removed(count);
  for (const auto& slot : *saved) table.restore(slot.slot, slot.id, slot.sequence, "");
  require(table.encode() == bytes, "a slot table encodes to other bytes");
  for (const auto& slot : *saved) require(table.find(slot.id) == slot.slot, "an id is not found");
  for (const auto& slot : *saved) table.remove(slot.slot);
  require(table.live_count() == 0 && table.slots() == count, "a removed slot still counts");
}

// ---- index file ----

constexpr std::uint32_t kDimension = 3;

std::string contents_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <typename Integer>
void append(std::string& out, Integer value) {
  std::array<char, sizeof value> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

index::IndexOptions index_options() {
  index::IndexOptions options;
  options.dimension = kDimension;
  options.metric = Metric::kEuclidean;
  options.m = 2;
  options.ef_construction = 8;
  options.graph_threshold = 0;
  return options;
}

/// The header that the options above ask for; docs/formats/index-file.md.
std::string header_of(std::uint64_t slots, std::uint64_t indexed, std::uint64_t extra_bytes) {
  const auto options = index_options();
  std::string header("VECTIDX\n");
  for (const std::uint32_t field :
       {1U, options.dimension, static_cast<std::uint32_t>(options.metric), options.m, options.ef_construction, 0U}) {
    append(header, field);
  }
  append(header, slots);
  append(header, indexed);
  append(header, extra_bytes);
  return header;
}

std::array<float, kDimension> vector_of(std::size_t number) {
  const auto value = static_cast<float>(number);
  return {value, std::sin(value), 1};
}

void check_searches(const index::VectorIndex& searched) {
  const auto live = searched.stats().live;
  for (const bool rescore : {true, false}) {
    index::SearchParams params;
    params.limit = 5;
    params.ef = 8;
    params.rescore = rescore;
    const auto found = searched.search(vector_of(2), params);
    require(found.size() == std::min(params.limit, live), "a search finds too few or too many");
    for (std::size_t i = 0; i < found.size(); ++i) {
      require(!searched.removed(found[i].slot), "a search finds a removed slot");
      require(!std::isnan(found[i].distance), "a distance is not a number");
      require(i == 0 || found[i - 1].distance <= found[i].distance, "a search is out of order");
      for (std::size_t j = 0; j < i; ++j) require(found[i].slot != found[j].slot, "a search finds a slot twice");
    }
  }
}

/// @param revived bit i says whether slot i mod 8 gets its vector back.
void check_index_file(std::string bytes, std::uint8_t revived) {
  static const fuzzing::Scratch scratch("disk_fuzz");
  append(bytes, static_cast<std::uint64_t>(XXH3_64bits(bytes.data(), bytes.size())));
  const auto file = scratch.write("given", bytes);
  const auto saved = scratch.file("saved");

  auto loaded = index::load_vector_index(index_options(), file);
  if (!loaded) {
    require(!loaded.error().message.empty(), "an error without a message");
    return;
  }
  auto& index = *loaded->index;
  const auto written = index.save(saved, loaded->extra);
  require(written && *written == loaded->slots, "a loaded index cannot be saved");
  require(contents_of(saved) == bytes, "an index file is saved with other bytes");

  require(index.stats().live == 0, "a loaded slot is live");
  check_searches(index);
  for (index::Slot slot = 0; slot < loaded->slots; ++slot) {
    if ((revived >> (slot % 8) & 1) != 0) index::restore_vector(index, slot, vector_of(slot));
  }
  check_searches(index);
  for (std::size_t i = 0; i < 4; ++i) index.add(vector_of(i));
  check_searches(index);
  while (index.index_pending(SIZE_MAX) > 0) {
  }
  check_searches(index);
  if (index.stats().indexed < index.stats().slots) return;  // the graph took no more: it was an impossible one
  require(bool(index.save(saved, "")), "a grown index cannot be saved");
  require(bool(index::load_vector_index(index_options(), saved)), "a grown index cannot be loaded");
}

/// Slot counts and the length of the extra data in one byte each, then what follows the header.
void check_framed_index_file(std::string_view bytes) {
  if (bytes.size() < 4) return;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint64_t indexed = byte(0);
  std::string file = header_of(indexed + byte(1), indexed, byte(2));
  check_index_file(file.append(bytes.substr(4)), byte(3));
}

void check_raw_index_file(std::string_view bytes) {
  constexpr std::size_t kHighHalfOfSlots = 34;  // a table of a billion slots is possible, but no input for a fuzzer
  std::string file(bytes);
  for (std::size_t i = kHighHalfOfSlots; i < std::min(file.size(), kHighHalfOfSlots + 6); ++i) file[i] = 0;
  check_index_file(std::move(file), 0xFF);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 16) {
    case 0:
      check_id(bytes);
      break;
    case 1:
      check_id_order(bytes);
      break;
    case 2:
      check_keys(bytes);
      break;
    case 3:
      check_point_value(bytes);
      break;
    case 4:
      check_slot_table(bytes);
      break;
    case 6:
      check_raw_index_file(bytes);
      break;
    case 8:
      check_result_value(bytes);
      break;
    default:
      check_framed_index_file(bytes);
  }
  return 0;
}
