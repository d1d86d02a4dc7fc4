#include <fmt/format.h>

#include <algorithm>

#include "apply_steps.hpp"

namespace vectorizer::cluster {
namespace {

/// What runs at the same time, and what is kept of those that have ended: bounds the metadata.
constexpr std::size_t kMaxRunning = 1024;
constexpr std::size_t kKeptEnded = 50;

Error refused(const PlannedMove& move, std::string_view why) {
  return Error{ErrorType::kConflict,
               fmt::format("shard {} cannot {} from '{}' to '{}': {}", move.shard.value(),
                           move.lead ? "be handed over" : "move", move.from.value(), move.to.value(), why)}
      .with("shard_id", move.shard.value());
}

/// The nodes of a shard's copies once the moves that run have been made.
std::vector<NodeId> nodes_after_moves(const ClusterMetadata& metadata, const ShardPlacement& placement) {
  auto nodes = placement.replicas();
  for (const auto& [id, migration] : metadata.migrations) {
    const auto& move = migration.move;
    if (migration.state != MoveState::kRunning || move.shard != placement.shard || move.lead) continue;
    std::erase(nodes, move.from);
    if (std::find(nodes.begin(), nodes.end(), move.to) == nodes.end()) nodes.push_back(move.to);
  }
  return nodes;
}

Result<void> check_move(const ClusterMetadata& metadata, const PlannedMove& move) {
  const auto placement = metadata.placements.find(move.shard);
  if (placement == metadata.placements.end()) return refused(move, "there is no such shard");
  const auto target = metadata.nodes.find(move.to);
  if (target == metadata.nodes.end() || target->second.status != NodeStatus::kActive) {
    return refused(move, "the target is not an active node");
  }
  if (move.from == move.to) return refused(move, "it is there");
  const auto nodes = nodes_after_moves(metadata, placement->second);
  const auto has = [&](const NodeId& node) { return std::find(nodes.begin(), nodes.end(), node) != nodes.end(); };
  if (!has(move.from)) return refused(move, "the source has no copy, or one that moves already");
  if (has(move.to) != move.lead) return refused(move, move.lead ? "the target has no copy" : "the target has a copy");
  return {};
}

void forget_oldest(ClusterMetadata& next) {
  auto ended = static_cast<std::size_t>(std::count_if(next.migrations.begin(), next.migrations.end(),
                                                      [](const auto& item) { return item.second.ended(); }));
  for (auto at = next.migrations.begin(); ended > kKeptEnded;) {
    if (!at->second.ended()) {
      ++at;
      continue;
    }
    at = next.migrations.erase(at);
    --ended;
  }
}

Result<MigrationRecord*> running(ClusterMetadata& next, std::uint64_t id) {
  const auto found = next.migrations.find(id);
  if (found == next.migrations.end()) {
    return Error{ErrorType::kNotFound, fmt::format("migration {} does not exist", id)}.with("migration_id", id);
  }
  if (!found->second.ended()) return &found->second;
  return Error{ErrorType::kConflict, fmt::format("migration {} is {}", id, move_state_name(found->second.state))}.with(
      "migration_id", id);
}

}  // namespace

Result<void> step(ClusterMetadata& next, const StartMoves& command) {
  if (command.moves.empty()) return Error{ErrorType::kConflict, "there is nothing to move"};
  for (const auto& move : command.moves) {
    RETURN_IF_ERROR(check_move(next, move));
    MigrationRecord record;
    record.id = next.next_migration_id++;
    record.move = move;
    record.cause = command.cause;
    record.started_at_ms = command.at_ms;
    next.migrations.emplace(record.id, std::move(record));
  }
  const auto running = std::count_if(next.migrations.begin(), next.migrations.end(),
                                     [](const auto& item) { return !item.second.ended(); });
  if (static_cast<std::size_t>(running) > kMaxRunning) {
    return Error{ErrorType::kConflict,
                 fmt::format("{} moves at a time are too many, at most {}", running, kMaxRunning)};
  }
  return {};
}

Result<void> step(ClusterMetadata& next, const CancelMove& command) {
  ASSIGN_OR_RETURN(auto* migration, running(next, command.id));
  const auto placement = next.placements.find(migration->move.shard);
  const bool lead = migration->move.lead;
  const bool handed_over = placement != next.placements.end() && placement->second.primary == migration->move.to;
  const bool left = placement != next.placements.end() && placement->second.copy_on(migration->move.from) == nullptr;
  if (handed_over || (left && !lead)) {
    return Error{ErrorType::kConflict,
                 fmt::format("migration {} is too far: '{}' has taken over", migration->id, migration->move.to.value())}
        .with("migration_id", migration->id);
  }
  migration->state = MoveState::kCancelling;
  return {};
}

Result<void> step(ClusterMetadata& next, const EndMove& command) {
  ASSIGN_OR_RETURN(auto* migration, running(next, command.id));
  const MigrationRecord outcome{0, {}, {}, command.outcome};
  if (!outcome.ended()) return invalid_field("outcome", "a move ends as done, failed or cancelled");
  migration->state = command.outcome;
  migration->note = command.note;
  migration->ended_at_ms = command.at_ms;
  forget_oldest(next);
  return {};
}

}  // namespace vectorizer::cluster
