#pragma once

#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"

namespace vectorizer::coordinator {

/// What would have to move for copies and primaries to be even: copies from one node to another, and shards that
/// another one of their copies should lead. By shard.
std::vector<Migration> planned_moves(const cluster::ClusterMetadata& metadata);

}  // namespace vectorizer::coordinator
