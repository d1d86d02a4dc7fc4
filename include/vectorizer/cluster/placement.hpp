#pragma once

#include <cstdint>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

/// Where the shards of a new collection go: candidates come from a ring of the nodes, and one that already has
/// its even share of primaries is passed over; further copies go to the other nodes in turn. 6 shards on 3 nodes give 2
/// primaries and an even number of copies each.
/// Deterministic. Shard ids are first_shard_id and up.
///
/// Requires at least `replication_factor` nodes in `metadata`.
std::vector<ShardPlacement> place_shards(const ClusterMetadata& metadata, const CollectionConfig& config,
                                         std::uint64_t first_shard_id);

}  // namespace vectorizer::cluster
