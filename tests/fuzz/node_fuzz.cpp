// What a node finds in its data directory beside points and logs: the registry of its copies, the manifest of a
// snapshot, the marker of a restored directory, and what it remembers of other nodes. Reading succeeds or is an error;
// what was read is written and read as the same. The first byte chooses: '0' the first.
//
// A checksum vouches for a manifest; here it is always right, as that of the index in disk_fuzz.

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>

#include "copy_registry.hpp"
#include "fuzzing.hpp"
#include "peer_memory.hpp"
#include "testing/memory_database.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace {

using namespace vectorizer;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

const fuzzing::Scratch& scratch() {
  static const fuzzing::Scratch directory("node_fuzz");
  return directory;
}

void require_message(const Error& error) {
  require(!error.message.empty(), "an error without a message");
}

/// Each line is a record: its key, a tab, its value.
void check_registry(std::string_view bytes) {
  testing::MemoryDatabase database;
  while (!bytes.empty()) {
    const auto line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    const auto tab = std::min(line.find('\t'), line.size());
    const auto value = line.substr(std::min(tab + 1, line.size()));
    require(bool(database.put_local(std::string(line.substr(0, tab)), std::string(value))), "memory is no disk");
  }
  auto registry = node::CopyRegistry::load(database);
  if (!registry) return require_message(registry.error());
  const auto copies = registry->copies();
  const auto number = registry->allocate();
  if (!number) return require_message(number.error());
  for (const auto& [shard, copy] : copies) require(copy.number < *number, "a number is given out that is in use");
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  require(bool(registry->record(ShardId(kMost), {*number, kMost, kMost})), "a copy cannot be recorded");
  const auto again = node::CopyRegistry::load(database);
  require(bool(again), "a registry that was written cannot be read");
  const auto& found = again->copies();
  require(found.at(ShardId(kMost)).number == *number && found.at(ShardId(kMost)).id == kMost, "another copy");
  require(found.size() == copies.size() + (copies.count(ShardId(kMost)) == 0 ? 1 : 0), "other copies");
}

void check_manifest(std::string_view bytes) {
  const std::string body(bytes);
  scratch().write(storage::kSnapshotManifest,
                  fmt::format("{}xxh3-64 {:016x}\n", body, XXH3_64bits(body.data(), body.size())));
  const auto manifest = storage::read_manifest(scratch().path());
  if (!manifest) return require_message(manifest.error());
  for (const auto& file : manifest->files) {
    const auto path = (scratch().path() / file.path).lexically_normal().lexically_relative(scratch().path());
    require(!path.empty() && *path.begin() != "..", "a file outside of the snapshot");
  }
  require(bool(storage::write_manifest(scratch().path(), *manifest)), "a manifest that was read cannot be written");
  const auto again = storage::read_manifest(scratch().path());
  require(again && *again == *manifest, "a manifest comes back as another");
}

void check_marker(std::string_view bytes) {
  std::error_code ignored;
  std::filesystem::remove(scratch().file(storage::kSnapshotManifest), ignored);
  scratch().write(storage::kRestoreMarker, bytes);
  const auto restored = storage::check_restored(scratch().path());
  if (!restored) return require_message(restored.error());
  require(*restored, "a marker is not found");
  const auto marker = storage::read_restore_marker(scratch().path());
  require(marker && marker->at("checked") == true, "a marker that was written cannot be read");
  require(bool(storage::remove_restore_marker(scratch().path())), "a marker cannot be removed");
}

void check_memory(std::string_view bytes) {
  control::PeerMemory memory(scratch().write("peers", bytes));
  if (const auto loaded = memory.load(); !loaded) return require_message(loaded.error());
  const auto known = memory.of(1);
  memory.take({1, known.raft_term, known.raft_index + 1, {}});
  require(bool(memory.save({1}, {})), "what is remembered cannot be written");
  control::PeerMemory again(scratch().file("peers"));
  require(bool(again.load()), "what was written cannot be read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (static_cast<std::uint8_t>(data[0] - '0') % 4) {
    case 0:
      check_registry(bytes);
      break;
    case 1:
      check_manifest(bytes);
      break;
    case 2:
      check_marker(bytes);
      break;
    default:
      check_memory(bytes);
  }
  return 0;
}
