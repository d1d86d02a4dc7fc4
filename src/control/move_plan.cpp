#include "move_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "vectorizer/cluster/balance.hpp"

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;
using cluster::MetadataCommand;
using cluster::MigrationRecord;
using cluster::MoveState;
using cluster::NodeStatus;
using cluster::ShardPlacement;

/// Moves that a drain starts in one round.
constexpr std::size_t kDrainAtOnce = 64;

/// One round: what it looks at, and how many moves are under way.
struct Round {
  const ClusterMetadata& metadata;
  const Observations& seen;
  const MoveLimits& limits;
  std::int64_t wall_ms = 0;
  std::size_t under_way = 0;
  std::map<NodeId, std::size_t> by_node = {};

  NodeStatus status(const NodeId& node) const {
    const auto found = metadata.nodes.find(node);
    return found == metadata.nodes.end() ? NodeStatus::kRemoved : found->second.status;
  }
  bool usable(const NodeId& node) const { return status(node) == NodeStatus::kActive && !dead(seen, node); }
  std::size_t factor(const ShardPlacement& shard) const {
    const auto* collection = metadata.find(shard.collection);
    return collection == nullptr ? 0 : collection->config.sharding.replication_factor;
  }
  MetadataCommand end(const MigrationRecord& migration, MoveState outcome, std::string note = "") const {
    return cluster::EndMove{migration.id, outcome, std::move(note), wall_ms};
  }
  /// Without this copy as many as the collection wants are in sync and live.
  bool can_spare(const ShardPlacement& shard, const CopyRecord& copy) const {
    if (copy.node == shard.primary) return false;
    const auto others = good_copies(metadata, shard, seen) - (good(metadata, copy, seen) ? 1 : 0);
    return others >= std::max<std::size_t>(1, factor(shard));
  }
  void take_part(const cluster::PlannedMove& move) {
    ++under_way;
    ++by_node[move.from];
    ++by_node[move.to];
  }
};

MetadataCommand drop(const ShardPlacement& shard, const CopyRecord& copy) {
  return cluster::DropCopy{shard.shard, shard.term, shard.isr_version, copy.id};
}

/// Of a move that is to be taken back.
std::optional<MetadataCommand> undo(const Round& round, const MigrationRecord& migration, const ShardPlacement& shard) {
  const auto* target = shard.copy_on(migration.move.to);
  if (target == nullptr || migration.move.lead) return round.end(migration, MoveState::kCancelled);
  if (target->node == shard.primary || shard.copy_on(migration.move.from) == nullptr) {
    return round.end(migration, MoveState::kCancelled, "the target had taken over already");
  }
  const auto others =
      good_copies(round.metadata, shard, round.seen) - (good(round.metadata, *target, round.seen) ? 1 : 0);
  const bool needed = target->role == CopyRole::kInSync && !round.can_spare(shard, *target);
  if (others == 0 || needed) return std::nullopt;
  return drop(shard, *target);
}

std::optional<MetadataCommand> begin(Round& round, const MigrationRecord& migration, const ShardPlacement& shard) {
  const auto& move = migration.move;
  if (shard.copy_on(move.from) == nullptr) return round.end(migration, MoveState::kFailed, "the source has no copy");
  if (!shard.open() || dead(round.seen, shard.primary)) return std::nullopt;
  const auto& limits = round.limits;
  if (round.under_way >= limits.at_once || round.by_node[move.from] >= limits.per_node ||
      round.by_node[move.to] >= limits.per_node) {
    return std::nullopt;
  }
  round.take_part(move);
  return cluster::AllocateCopy{shard.shard, shard.term, shard.isr_version, move.to};
}

std::optional<MetadataCommand> copy_step(Round& round, const MigrationRecord& migration, const ShardPlacement& shard) {
  const auto& move = migration.move;
  const auto* source = shard.copy_on(move.from);
  const auto* target = shard.copy_on(move.to);
  if (target == nullptr || target->role != CopyRole::kInSync) {
    if (!round.usable(move.to)) {
      return round.end(migration, MoveState::kFailed, fmt::format("node '{}' is not there", move.to.value()));
    }
    if (target == nullptr) return begin(round, migration, shard);
    if (!failed(round.seen, *target)) return std::nullopt;
    return round.end(migration, MoveState::kFailed, fmt::format("the copy on '{}' is damaged", move.to.value()));
  }
  if (source == nullptr) return round.end(migration, MoveState::kDone);
  if (round.can_spare(shard, *source)) return drop(shard, *source);
  return std::nullopt;  // its node hands over first, or other copies are being made
}

std::optional<MetadataCommand> lead_step(const Round& round, const MigrationRecord& migration,
                                         const ShardPlacement& shard, BootTime waiting) {
  const auto& move = migration.move;
  if (shard.primary == move.to) return round.end(migration, MoveState::kDone);
  if (shard.copy_on(move.to) == nullptr || !round.usable(move.to)) {
    return round.end(migration, MoveState::kFailed, fmt::format("node '{}' cannot lead it", move.to.value()));
  }
  if (shard.primary != move.from) return round.end(migration, MoveState::kFailed, "another node leads it");
  if (waiting < MovePlan::kHandoverTime) return std::nullopt;
  return round.end(migration, MoveState::kFailed, "the primary did not hand over");
}

/// A node that was to be emptied is wanted again.
bool drain_ended(const Round& round, const MigrationRecord& migration) {
  const auto status = round.status(migration.move.from);
  return migration.cause == cluster::MoveCause::kDrain &&
         (status == NodeStatus::kActive || status == NodeStatus::kUnhealthy);
}

/// A copy that nobody wants any more: of those that can be spared one that is not in sync, else one on a node that
/// drains, else one on the node with the most.
std::optional<MetadataCommand> surplus(const Round& round, const ShardPlacement& shard,
                                       const std::map<NodeId, std::size_t>& counts) {
  if (shard.copies.size() <= round.factor(shard) || round.factor(shard) == 0) return std::nullopt;
  const CopyRecord* chosen = nullptr;
  const auto rank = [&](const CopyRecord& copy) {
    return std::tuple(!good(round.metadata, copy, round.seen), round.status(copy.node) == NodeStatus::kDraining,
                      counts.at(copy.node), copy.id);
  };
  for (const auto& copy : shard.copies) {
    if (!round.can_spare(shard, copy)) continue;
    if (chosen == nullptr || rank(copy) > rank(*chosen)) chosen = &copy;
  }
  if (chosen == nullptr) return std::nullopt;
  return drop(shard, *chosen);
}

bool failed_lately(const Round& round, const ShardId& shard) {
  const auto since = round.wall_ms - std::chrono::milliseconds(MovePlan::kDrainAgain).count();
  return std::any_of(round.metadata.migrations.begin(), round.metadata.migrations.end(), [&](const auto& item) {
    const auto& migration = item.second;
    return migration.move.shard == shard && migration.state == MoveState::kFailed && migration.ended_at_ms > since;
  });
}

void drain(const Round& round, std::vector<MetadataCommand>& commands) {
  std::map<NodeId, std::size_t> held;
  for (const auto& [id, node] : round.metadata.nodes) {
    if (node.status == NodeStatus::kDraining) held[id] = 0;
  }
  if (held.empty()) return;
  std::size_t to_move = 0;
  const auto after = cluster::after_moves(round.metadata);
  for (const auto& [id, shard] : round.metadata.placements) {
    for (const auto& copy : shard.copies) {
      const auto draining = held.find(copy.node);
      if (draining == held.end()) continue;
      ++draining->second;
      if (after.placements.at(id).copy_on(copy.node) != nullptr) ++to_move;
    }
  }
  for (const auto& [id, copies] : held) {
    if (copies == 0) commands.push_back(cluster::RemoveNode{id, round.metadata.nodes.at(id).raft_id, false});
  }
  if (to_move == 0) return;
  auto moves = cluster::draining_moves(round.metadata, {});
  std::erase_if(moves, [&](const auto& move) { return failed_lately(round, move.shard); });
  if (moves.size() > kDrainAtOnce) moves.resize(kDrainAtOnce);
  if (!moves.empty())
    commands.push_back(cluster::StartMoves{std::move(moves), cluster::MoveCause::kDrain, round.wall_ms});
}

}  // namespace

std::vector<MetadataCommand> MovePlan::next(const ClusterMetadata& metadata, const Observations& seen,
                                            const std::set<ShardId>& busy, std::int64_t wall_ms) {
  std::vector<MetadataCommand> commands;
  Round round{metadata, seen, limits_, wall_ms};
  std::set<ShardId> moving;
  std::vector<const MigrationRecord*> current;
  for (const auto& [id, migration] : metadata.migrations) {
    if (migration.ended() || !moving.insert(migration.move.shard).second) continue;
    current.push_back(&migration);
    const auto shard = metadata.placements.find(migration.move.shard);
    const bool made = shard != metadata.placements.end() && shard->second.copy_on(migration.move.to) != nullptr;
    if (made && !migration.move.lead) round.take_part(migration.move);
  }
  std::erase_if(waiting_since_, [&](const auto& item) {
    const auto found = metadata.migrations.find(item.first);
    return found == metadata.migrations.end() || found->second.ended();
  });
  for (const auto* migration : current) {
    const auto found = metadata.placements.find(migration->move.shard);
    std::optional<MetadataCommand> command;
    if (found == metadata.placements.end()) {
      command = round.end(*migration, MoveState::kFailed, "its collection was dropped");
    } else if (busy.contains(found->first)) {
      continue;
    } else if (migration->state == MoveState::kCancelling || drain_ended(round, *migration)) {
      command = undo(round, *migration, found->second);
    } else if (migration->move.lead) {
      const auto since = waiting_since_.try_emplace(migration->id, seen.now).first->second;
      command = lead_step(round, *migration, found->second, seen.now - since);
    } else {
      command = copy_step(round, *migration, found->second);
    }
    if (command) commands.push_back(std::move(*command));
  }
  std::map<NodeId, std::size_t> counts;
  for (const auto& [id, shard] : metadata.placements) {
    for (const auto& copy : shard.copies) ++counts[copy.node];
  }
  for (const auto& [id, shard] : metadata.placements) {
    if (busy.contains(id) || moving.contains(id)) continue;
    if (auto command = surplus(round, shard, counts)) commands.push_back(std::move(*command));
  }
  drain(round, commands);
  return commands;
}

bool RebalanceTrigger::due(const ClusterMetadata& metadata, const Observations& seen) {
  if (after_.count() == 0) return false;
  auto active = metadata.active_nodes();
  if (active != active_) {
    active_ = std::move(active);
    since_ = seen.now;
    armed_ = true;
  }
  if (!armed_ || seen.now - since_ < after_) return false;
  for (const auto& [id, migration] : metadata.migrations) {
    if (!migration.ended()) return false;
  }
  for (const auto& [id, shard] : metadata.placements) {
    const auto* collection = metadata.find(shard.collection);
    if (!shard.open() || collection == nullptr) return false;
    if (good_copies(metadata, shard, seen) < collection->config.sharding.replication_factor) return false;
  }
  armed_ = false;
  return true;
}

}  // namespace vectorizer::control
