#include "handovers.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace vectorizer::node {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;

void Handovers::follow_moves(const ClusterMetadata& metadata) {
  for (const auto& [id, migration] : metadata.migrations) {
    const auto& move = migration.move;
    if (migration.state != cluster::MoveState::kRunning || move.from != self_) continue;
    const auto placement = metadata.placements.find(move.shard);
    if (placement == metadata.placements.end() || placement->second.primary != self_) continue;
    const auto* target = placement->second.copy_on(move.to);
    const bool ready = target != nullptr && target->role == CopyRole::kInSync && metadata.live(*target);
    if (!ready || metadata.migration_of(move.shard) != &migration) continue;
    tasks_.start(move.shard, [this, shard = move.shard, to = move.to] {
      const auto hosted = copies_.find(shard);
      if (!hosted || !hosted->group || !hosted->group->stats().leading) return;
      const bool done = give_away(shard, *hosted, kOne, to);
      spdlog::info("shard {}: {} to node '{}'", shard.value(), done ? "handed over" : "not yet handed over",
                   to.value());
    });
  }
}

void Handovers::give_away_all(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::size_t given = 0, kept = 0;
  const auto copies = copies_.open_copies();
  for (const auto& [id, hosted] : *copies) {
    if (!hosted->group || !hosted->group->stats().leading) continue;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const bool done = left.count() > 0 && give_away(id, *hosted, left, NodeId());
    ++(done ? given : kept);
  }
  if (given + kept > 0) spdlog::info("handed over {} shards, {} are left to be taken over", given, kept);
}

bool Handovers::give_away(const ShardId& shard, const HostedCopy& hosted, std::chrono::milliseconds timeout,
                          const NodeId& to) const {
  const auto metadata = metadata_.current();
  const auto found = metadata->placements.find(shard);
  if (found == metadata->placements.end()) return true;
  const auto& placement = found->second;
  const auto target = std::find_if(placement.copies.begin(), placement.copies.end(), [&](const CopyRecord& copy) {
    if (!to.value().empty() && copy.node != to) return false;
    return copy.node != self_ && copy.role == CopyRole::kInSync && metadata->live(copy);
  });
  if (target == placement.copies.end()) return false;
  if (!hosted.group->hand_over(std::min(timeout, kOne))) {
    hosted.group->resume();
    return false;
  }
  const auto decided = metadata_.propose(cluster::Promote{shard, placement.term, placement.isr_version, target->node});
  if (!decided) hosted.group->resume();
  return static_cast<bool>(decided);
}

}  // namespace vectorizer::node
