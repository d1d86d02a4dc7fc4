#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/log_entry.hpp"
#include "vectorizer/storage/database.hpp"

/// A snapshot of a node is a directory that can be its data directory, with a list of its files
/// (docs/formats/snapshot.md).
namespace vectorizer::storage {

inline constexpr auto kSnapshotManifest = "snapshot.json";
/// A data directory that holds this file was restored: its node does not go on as what it was.
inline constexpr auto kRestoreMarker = "RESTORE";

struct SnapshotFile {
  std::string path;  ///< relative to the snapshot, with '/'
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  ///< XXH3-64
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

/// A copy of a shard in it, and how far that is.
struct SnapshotCopy {
  ShardId shard;
  std::uint64_t copy = 0;  ///< its id in the metadata
  CopyNumber number = 0;
  std::uint64_t term = 0;  ///< the largest that it has seen
  LogPosition last;        ///< of its log; on a single node {applied, 0}
  std::uint64_t applied = 0;
  friend bool operator==(const SnapshotCopy&, const SnapshotCopy&) = default;
};

struct SnapshotManifest {
  std::string name;
  std::int64_t created_at_ms = 0;
  std::string version;  ///< of the program that made it
  NodeId node;
  std::string node_uuid;      ///< empty on a single node
  std::string cluster_id;     ///< likewise
  std::vector<NodeId> nodes;  ///< that were asked for a snapshot of this name
  std::uint64_t metadata_epoch = 0;
  std::string metadata;            ///< as docs/formats/metadata.md
  std::uint64_t shared_bytes = 0;  ///< of files that were in the snapshot before it
  std::vector<SnapshotCopy> copies;
  std::vector<SnapshotFile> files;

  std::uint64_t bytes() const;
  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

/// A name of a snapshot, which is also that of a directory: 1 to 64 of [A-Za-z0-9_.-], not beginning with '.'.
bool is_snapshot_name(std::string_view name);

/// Lists, syncs and sums what is below `directory`, but for manifest and marker. A file that is the same as in an
/// earlier snapshot (a hard link) is not read again. `stop` is asked now and then.
Result<std::vector<SnapshotFile>> sum_files(const std::filesystem::path& directory,
                                            const std::filesystem::path& before_directory,
                                            const SnapshotManifest* before, std::uint64_t& shared_bytes,
                                            const std::function<bool()>& stop);
/// The manifest, with a checksum of itself, and the marker; synced.
Result<void> write_manifest(const std::filesystem::path& directory, const SnapshotManifest& manifest);
Result<SnapshotManifest> read_manifest(const std::filesystem::path& directory);
/// XXH3-64 of the manifest, as 16 hex digits: equal for equal snapshots.
Result<std::string> manifest_checksum(const std::filesystem::path& directory);
/// What differs from the manifest, one line each; empty for an intact snapshot. Reads every file.
Result<std::vector<std::string>> check_files(const std::filesystem::path& directory, const SnapshotManifest& manifest,
                                             const std::function<bool()>& stop);

/// Before a node opens its data directory: whether it was restored. The first time everything is compared with the
/// manifest, if there is one; damage is an error (kConflict) that names the files, and nothing has changed then.
Result<bool> check_restored(const std::filesystem::path& data_dir);
/// What the marker of a restored data directory says, an object; kConflict if it is damaged.
Result<nlohmann::json> read_restore_marker(const std::filesystem::path& data_dir);
/// The node has taken over what was restored.
Result<void> remove_restore_marker(const std::filesystem::path& data_dir);

}  // namespace vectorizer::storage
