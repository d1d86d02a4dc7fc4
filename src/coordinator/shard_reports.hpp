#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <span>

#include "node_calls.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// How long a node is waited for that does not answer: it may have died a moment ago.
inline constexpr std::chrono::milliseconds kNodeWait{1000};

/// Copies in sync on nodes that are there.
std::size_t live_in_sync(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement);
/// Its primary is on a node that is there.
bool led(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement);

/// What the nodes say of the copies that they hold, as of one moment.
class ShardReports {
 public:
  /// Asks all nodes that hold a copy of `shards` and are not known to be away, at once.
  static ShardReports read(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers, NodeCalls& calls,
                           std::span<const ShardId> shards);
  /// Of every shard.
  static ShardReports read(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers, NodeCalls& calls);

  /// Copies that are not used, or being made again because they were not.
  const std::vector<QuarantinedCopy>& quarantined() const { return quarantined_; }

  /// Of one copy; null if its node did not answer, or does not serve it.
  const peer::ShardReport* of(const NodeId& node, const ShardId& shard) const;
  /// Of the primary's copy.
  const peer::ShardReport* primary(const cluster::ShardPlacement& placement) const;
  /// Of the primary's copy, or else of the copy in sync that is furthest: it holds everything acknowledged.
  const peer::ShardReport* best(const cluster::ShardPlacement& placement) const;

 private:
  std::map<NodeId, std::map<ShardId, peer::ShardReport>> by_node_;
  std::vector<QuarantinedCopy> quarantined_;
};

/// A shard as `reports` have it.
ShardView shard_view(const cluster::ShardPlacement& placement, const ShardReports& reports);

}  // namespace vectorizer::coordinator
