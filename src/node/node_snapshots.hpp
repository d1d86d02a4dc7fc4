#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/node/local_node.hpp"
#include "vectorizer/peer/snapshots.hpp"
#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::node {

struct SnapshotOptions {
  std::filesystem::path directory;  ///< of all snapshots
  std::filesystem::path data_dir;
  NodeId node;
  std::string node_uuid;
  std::string version;
  std::function<Result<void>(const std::filesystem::path&)> save_membership;  ///< may be empty
};
SnapshotOptions snapshot_options(const LocalNodeOptions& options);

/// The snapshots of this node's data directory: each is a directory of hard links that could be one itself. A snapshot
/// is made under a hidden name and gets its own when it is complete and on disk: whatever goes wrong leaves nothing
/// behind. The moment of a snapshot is within the call that orders it; sums are computed later, on a thread that one
/// snapshot after the other has to itself. Thread-safe.
class NodeSnapshots {
 public:
  /// @param copies_mutex held while copies are made or dropped on disk
  NodeSnapshots(SnapshotOptions options, storage::Database& database, cluster::MetadataLog& metadata,
                std::mutex& copies_mutex);
  ~NodeSnapshots() { stop(); }

  Result<std::vector<peer::SnapshotInfo>> handle(const peer::SnapshotOrder& order);
  /// What is not complete is given up. Idempotent.
  void stop();

 private:
  struct Entry {
    peer::SnapshotInfo info;
    storage::SnapshotManifest manifest;  ///< not of kCreating and kFailed
  };
  using Entries = std::map<std::string, Entry>;

  Result<void> create(const peer::SnapshotOrder& order);
  Result<void> verify(const std::string& name);
  Result<void> remove(const std::string& name);
  /// What others have put into the directory, or taken from it.
  void look();
  std::vector<peer::SnapshotInfo> list() const;

  Result<storage::SnapshotManifest> link(const peer::SnapshotOrder& order, const std::filesystem::path& place) const;
  Result<void> link_indexes(const std::filesystem::path& place) const;
  void complete(storage::SnapshotManifest manifest, const std::filesystem::path& place);
  Result<void> settle(storage::SnapshotManifest& manifest, const std::filesystem::path& place);
  void check(const std::string& name, const storage::SnapshotManifest& manifest);
  void queue(std::function<void()> job);
  void work();
  bool stopping() const;

  const SnapshotOptions options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  std::mutex& copies_mutex_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;            // a job was queued, or stopping_ was set
  Entries entries_;                         // guarded by mutex_, like the rest
  std::deque<std::function<void()>> jobs_;  // at most one per entry
  bool cleaned_ = false;                    // leftovers of an earlier process are gone
  bool stopping_ = false;
  std::thread worker_;  // started by the first job
};

}  // namespace vectorizer::node
