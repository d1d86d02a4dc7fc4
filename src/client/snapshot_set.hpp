#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::client {

/// The snapshots of the nodes of one cluster, as a source of collections. They are only read. What is wrong with any of
/// them is found before anything is done: every file is compared with its checksum.
class SnapshotSet {
 public:
  static Result<std::unique_ptr<SnapshotSet>> open(const std::vector<std::filesystem::path>& directories);

  /// Of the snapshot that knows most.
  const cluster::ClusterMetadata& metadata() const { return metadata_; }
  /// Every shard of a collection is in one of them; else an error that names the first that is not.
  Result<void> check_complete(const cluster::CollectionRecord& collection) const;
  /// Visits the points of a shard, from the copy that has applied most. Thread-safe.
  Result<void> read(const ShardId& shard, const std::function<Result<void>(storage::StoredPoint&&)>& visit) const;

 private:
  struct Snapshot {
    storage::SnapshotManifest manifest;
    MetricsRegistry metrics;
    std::unique_ptr<storage::Database> database;
  };
  struct Source {
    const storage::Database* database = nullptr;
    storage::SnapshotCopy copy;
  };

  Result<void> add(const std::filesystem::path& directory);
  Result<void> choose();

  std::vector<std::unique_ptr<Snapshot>> snapshots_;
  cluster::ClusterMetadata metadata_;
  std::map<ShardId, Source> sources_;
};

}  // namespace vectorizer::client
