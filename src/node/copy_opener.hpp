#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "hosted_copy.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/node/local_node.hpp"
#include "vectorizer/replication/heartbeat.hpp"

namespace vectorizer::node {

/// Builds what serves one copy out of what is on disk: the store, the shard over it and, in a cluster, the replica
/// group between the two. Thread-safe.
class CopyOpener {
 public:
  /// A copy must be replaced by a checkpoint from the primary at `term`. Does not block.
  using FetchCheckpoint =
      std::function<void(const ShardId&, std::uint64_t copy, const NodeId& primary, std::uint64_t term)>;

  /// @param heartbeat null on a single node
  CopyOpener(const LocalNodeOptions& options, storage::Database& database, cluster::MetadataLog& metadata,
             shard::ShardMetrics& metrics, replication::Heartbeat* heartbeat, FetchCheckpoint fetch)
      : options_(options),
        database_(database),
        metadata_(metadata),
        metrics_(metrics),
        heartbeat_(heartbeat),
        fetch_(std::move(fetch)) {}

  /// @param number of a copy on disk, or of an empty one
  Result<std::shared_ptr<const HostedCopy>> open(const CollectionConfig& collection,
                                                 const cluster::ShardPlacement& placement,
                                                 const cluster::CopyRecord& copy, storage::CopyNumber number) const;
  /// Ends what works for a copy; whoever still reads it finishes.
  void close(const HostedCopy& hosted) const;

  std::filesystem::path directory_of(storage::CopyNumber number) const;

 private:
  replication::GroupPorts ports_of(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number) const;
  replication::ProposalResult propose(const ShardId& shard, const cluster::MetadataCommand& command) const;

  const LocalNodeOptions& options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  shard::ShardMetrics& metrics_;
  replication::Heartbeat* const heartbeat_;
  const FetchCheckpoint fetch_;
};

}  // namespace vectorizer::node
