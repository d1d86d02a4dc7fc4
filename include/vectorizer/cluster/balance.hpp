#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

struct BalanceOptions {
  /// Of the copies of a shard; what is unknown counts as empty.
  std::map<ShardId, std::uint64_t> bytes;
  /// Also differences of size below the rebalance_threshold of the collections.
  bool force = false;
};

/// The metadata as it will be once all moves that run have been made.
ClusterMetadata after_moves(const ClusterMetadata& metadata);

/// What has to move, beside what moves already, until the shards are even: each collection's copies and primaries over
/// the active nodes by number, then the nodes by size, as far as the numbers stay even, then the nodes by primaries.
/// Nothing once all that was made, so it may be asked again and again. Deterministic.
std::vector<PlannedMove> balancing_moves(const ClusterMetadata& metadata, const BalanceOptions& options);

/// Those of them that take something from nodes that are draining.
std::vector<PlannedMove> draining_moves(const ClusterMetadata& metadata, const BalanceOptions& options);

/// Why no other node can take the copy that `node` has of a shard; empty when one can.
std::string drain_obstacle(const ClusterMetadata& metadata, const ShardPlacement& shard, const NodeId& node);

}  // namespace vectorizer::cluster
