// The logs of a node and who it is: the operation log of a copy (also what other nodes send of theirs), the records of
// the Raft store, and the file `identity`, on bytes that nobody wrote. Decoding succeeds or is an error, and what was
// decoded encodes to the same bytes. The first byte chooses the decoder: '0' the first.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "fuzzing.hpp"
#include "raft_records.hpp"
#include "rocks_operation_log.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace {

using namespace vectorizer;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

// ---- operation log ----

void check_entry_header(std::string_view bytes) {
  const auto header = storage::EntryHeader::decode(bytes);
  if (!header) return;
  const auto body = bytes.substr(storage::EntryHeader::kBytes);
  require(header->encode().append(body) == bytes, "the header of an entry encodes to other bytes");
}

void check_log_state(std::string_view bytes) {
  auto state = storage::LogState::decode(bytes);
  if (!state) return;
  require(state->encode() == bytes, "the state of a log encodes to other bytes");
  storage::cut_terms(state->terms, state->base.sequence);
  storage::rebase_terms(state->terms, state->base);
  static_cast<void>(storage::term_at(state->terms, state->base.sequence));
}

/// Their bytes may hold bits that say nothing, which are not written again.
bool has_results(const std::vector<storage::StoredWrite>& writes) {
  return std::any_of(writes.begin(), writes.end(), [](const auto& write) { return write.result.has_value(); });
}

/// Sixteen bytes of first and last sequence, then the entry.
void check_entry(std::string_view bytes) {
  LogEntry entry;
  if (bytes.size() < sizeof entry.first + sizeof entry.last) return;
  std::memcpy(&entry.first, bytes.data(), sizeof entry.first);
  std::memcpy(&entry.last, bytes.data() + sizeof entry.first, sizeof entry.last);
  entry.bytes = bytes.substr(sizeof entry.first + sizeof entry.last);
  const auto writes = storage::entry_writes(entry);
  if (!writes) {
    require(!writes.error().message.empty(), "an error without a message");
    return;
  }
  if (writes->empty()) {
    require(storage::make_noop(0, entry.first) == entry, "an entry without changes is no no-op");
    return;
  }
  const auto again = storage::make_entry(0, *writes);
  require(again == entry || has_results(*writes), "an entry encodes to other bytes");
  const auto same = storage::entry_writes(again);
  require(same && storage::make_entry(0, *same) == again, "an entry that was written comes back as another");
}

std::string slice_of(const std::vector<storage::StoredWrite>& writes) {
  std::string slice;
  for (const auto& write : writes) {
    if (write.result) {
      storage::append_result_of_write(slice, write);
    } else {
      storage::append_point(slice, {write.point, write.sequence});
    }
  }
  return slice;
}

void check_slice(std::string_view bytes) {
  const auto writes = storage::slice_writes(bytes);
  if (!writes || writes->empty()) return;
  const auto again = slice_of(*writes);
  require(again == bytes || has_results(*writes), "a slice of a checkpoint encodes to other bytes");
  const auto same = storage::slice_writes(again);
  require(same && slice_of(*same) == again, "a slice that was written comes back as another");
}

// ---- Raft store ----

void check_raft_entry(std::string_view bytes) {
  const auto entry = consensus::decode_entry(bytes);
  if (!entry) return;
  require(consensus::encode_entry(*entry) == bytes, "an entry of the Raft log encodes to other bytes");
  raft_free(entry->batch);
}

/// libraft sorts the members, and C cuts their addresses at a zero: what comes back is the same from then on.
void check_raft_snapshot(std::string_view bytes) {
  const auto snapshot = consensus::decode_snapshot(bytes);
  if (!snapshot) return;
  const std::string encoded = consensus::encode_snapshot(**snapshot);
  const auto again = consensus::decode_snapshot(encoded);
  require(bool(again), "a snapshot that was encoded cannot be decoded");
  require(consensus::encode_snapshot(**again) == encoded, "a snapshot encodes to other bytes");
}

void check_raft_records(std::string_view bytes) {
  if (const auto owner = consensus::decode_format(bytes)) {
    require(consensus::encode_format(*owner) == bytes, "the format of a Raft store encodes to other bytes");
  }
  if (const auto state = consensus::decode_hard_state(bytes)) {
    require(consensus::encode_hard_state(*state) == bytes, "term and vote encode to other bytes");
  }
  if (const auto index = consensus::index_of_key(bytes)) {
    require(consensus::entry_key(*index) == bytes, "the key of an entry encodes to other bytes");
  }
  const auto packed = consensus::pack_state(bytes);
  const auto unpacked = consensus::unpack_state(packed);
  require(unpacked && *unpacked == bytes, "a state does not come back");
  if (const auto state = consensus::unpack_state(bytes)) {
    require(state->size() + sizeof(std::uint64_t) <= bytes.size(), "a state is longer than what holds it");
  }
}

// ---- identity ----

void check_identity(std::string_view bytes) {
  static const fuzzing::Scratch directory("log_fuzz");
  directory.write("identity", bytes);
  const auto first = control::IdentityFile::open(directory.path(), NodeId("n"), true);
  if (!first) {
    require(!first.error().message.empty(), "an error without a message");
    return;
  }
  const auto was = (*first)->current();
  require(was.uuid.size() == 32 && was.raft_id != 0, "an identity that cannot be");
  const auto second = control::IdentityFile::open(directory.path(), NodeId("n"), true);
  require(bool(second), "an identity that was written cannot be read");
  const auto now = (*second)->current();
  require(now.uuid == was.uuid && now.raft_id == was.raft_id && now.state == was.state, "another identity");
  require(now.cluster_id == was.cluster_id && now.claimed_by == was.claimed_by, "another promise");
  require(now.boot_epoch == was.boot_epoch + 1 && now.knows(was.boot_nonce), "a start was forgotten");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (static_cast<std::uint8_t>(data[0] - '0') % 8) {
    case 0:
      check_log_state(bytes);
      break;
    case 1:
      check_entry(bytes);
      break;
    case 2:
      check_slice(bytes);
      break;
    case 3:
      check_raft_entry(bytes);
      break;
    case 4:
      check_raft_snapshot(bytes);
      break;
    case 5:
      check_raft_records(bytes);
      break;
    case 6:
      check_identity(bytes);
      break;
    default:
      check_entry_header(bytes);
  }
  return 0;
}
