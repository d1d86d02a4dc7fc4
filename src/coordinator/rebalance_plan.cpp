#include "rebalance_plan.hpp"

#include <algorithm>

#include "vectorizer/cluster/placement.hpp"

namespace vectorizer::coordinator {
namespace {

/// The nodes of `these` that are not among `those`.
std::vector<NodeId> without(const std::vector<NodeId>& these, const std::vector<NodeId>& those) {
  std::vector<NodeId> left;
  for (const auto& node : these) {
    if (std::find(those.begin(), those.end(), node) == those.end()) left.push_back(node);
  }
  return left;
}

void plan_shard(const cluster::ShardPlacement& placement, const cluster::ShardTarget& target,
                std::vector<Migration>& moves) {
  const auto here = placement.replicas();
  const auto leaving = without(here, target.nodes);
  const auto coming = without(target.nodes, here);
  Migration move;
  move.shard = placement.shard;
  move.state = "planned";
  for (std::size_t i = 0; i < std::min(leaving.size(), coming.size()); ++i) {
    move.from = leaving[i];
    move.to = coming[i];
    moves.push_back(move);
  }
  const bool has_primary = !placement.primary.value().empty() && !target.nodes.empty();
  if (!has_primary || !leaving.empty() || !coming.empty() || placement.primary == target.nodes.front()) return;
  move.from = placement.primary;
  move.to = target.nodes.front();
  moves.push_back(move);
}

}  // namespace

std::vector<Migration> planned_moves(const cluster::ClusterMetadata& metadata) {
  std::vector<Migration> moves;
  for (const auto& [name, collection] : metadata.collections) {
    for (const auto& target : cluster::balanced_placement(metadata, collection)) {
      plan_shard(metadata.placements.at(target.shard), target, moves);
    }
  }
  std::sort(moves.begin(), moves.end(), [](const auto& a, const auto& b) { return a.shard < b.shard; });
  return moves;
}

}  // namespace vectorizer::coordinator
