#pragma once

#include <cstdint>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

/// `sharding` with what was left to the cluster (0) filled in, for a cluster of `nodes`.
ShardingConfig with_sharding_defaults(ShardingConfig sharding, std::size_t nodes);

/// Where a shard's copies should be; the primary's first.
struct ShardTarget {
  ShardId shard;
  std::vector<NodeId> nodes;
  friend bool operator==(const ShardTarget&, const ShardTarget&) = default;
};

/// Where the shards of a new collection go: a ring of the active nodes proposes, and a node that already has its even
/// share is passed over. Copies and primaries are even to within one per node: 6 shards on 3 nodes give 2 primaries
/// each at any replication factor.
/// Deterministic. Shard ids are first_shard_id and up, copy ids metadata.next_copy_id and up.
///
/// Requires at least `replication_factor` active nodes in `metadata`, and a factor of at least 1.
std::vector<ShardPlacement> place_shards(const ClusterMetadata& metadata, const CollectionConfig& config,
                                         std::uint64_t first_shard_id);

/// Where the copies of a collection should be now, with as few changes as lead from where they are to an even
/// placement on the active nodes (unhealthy nodes keep what they have): a new node takes its share of the copies and
/// nothing else moves; those of a draining or removed node are spread over the others, where at most one other copy
/// makes room. By shard, in order. Deterministic. A factor beyond the number of nodes gives as many copies as there are
/// nodes.
std::vector<ShardTarget> balanced_placement(const ClusterMetadata& metadata, const CollectionRecord& collection);

}  // namespace vectorizer::cluster
