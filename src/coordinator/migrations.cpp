#include "migrations.hpp"

#include <algorithm>
#include <utility>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/cluster/balance.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;
using cluster::MigrationRecord;
using cluster::MoveState;
using cluster::NodeStatus;

/// Moves that one request starts; what is left is planned by the next one.
constexpr std::size_t kMovesAtOnce = 512;

std::uint64_t bytes_of(const ShardStats& copy) {
  return copy.code_bytes + copy.graph_bytes + copy.vector_bytes + copy.payload_bytes;
}

Migration view_of(const ClusterMetadata& metadata, const cluster::PlannedMove& move, cluster::MoveCause cause) {
  Migration view;
  view.shard = move.shard;
  view.from = move.from;
  view.to = move.to;
  view.lead = move.lead;
  view.cause = cluster::move_cause_name(cause);
  if (const auto shard = metadata.placements.find(move.shard); shard != metadata.placements.end()) {
    view.collection = shard->second.collection;
  }
  return view;
}

/// How far a move is that runs: its record does not say, the placement does.
std::string phase(const ClusterMetadata& metadata, const MigrationRecord& migration) {
  if (migration.state != MoveState::kRunning) return std::string(cluster::move_state_name(migration.state));
  const auto& move = migration.move;
  const auto found = metadata.placements.find(move.shard);
  if (found == metadata.placements.end() || metadata.migration_of(move.shard)->id != migration.id) return "waiting";
  const auto& shard = found->second;
  if (move.lead) return "handing_over";
  const auto* target = shard.copy_on(move.to);
  if (target == nullptr) return "waiting";
  if (target->role != cluster::CopyRole::kInSync) return "copying";
  return shard.primary == move.from ? "handing_over" : "finishing";
}

void add_progress(const cluster::ShardPlacement& shard, const ShardReports& reports, Migration& view) {
  const auto* source = reports.best(shard);
  const auto* target = reports.of(view.to, view.shard);
  if (source != nullptr) {
    view.vectors_total = source->vectors;
    view.bytes_total = bytes_of(*source);
  }
  if (target == nullptr) return;
  view.vectors_done = std::min(target->vectors, view.vectors_total);
  view.bytes_done = view.state == "copying" ? target->received_bytes : view.bytes_total;
  view.bytes_total = std::max(view.bytes_total, view.bytes_done);  // the size is an estimate of what is sent
  if (target->received_bytes == 0 || target->receiving_seconds <= 0) return;
  const auto left = static_cast<double>(view.bytes_total - view.bytes_done);
  view.eta_seconds = left * target->receiving_seconds / static_cast<double>(target->received_bytes);
  // Points of a checkpoint show when all of it is there.
  const auto share = static_cast<double>(view.bytes_done) / static_cast<double>(view.bytes_total);
  view.vectors_done =
      std::max(view.vectors_done, static_cast<std::uint64_t>(share * static_cast<double>(view.vectors_total)));
}

Migration view_of(const ClusterMetadata& metadata, const MigrationRecord& migration, const ShardReports& reports) {
  auto view = view_of(metadata, migration.move, migration.cause);
  view.id = migration.id;
  view.state = phase(metadata, migration);
  view.note = migration.note;
  view.started_ms = migration.started_at_ms;
  view.ended_ms = migration.ended_at_ms;
  const auto shard = metadata.placements.find(migration.move.shard);
  if (!migration.ended() && !view.lead && shard != metadata.placements.end()) {
    add_progress(shard->second, reports, view);
  }
  return view;
}

/// Copies on nodes that drain and find no other place.
void add_blocked(const ClusterMetadata& metadata, std::vector<Migration>& views) {
  for (const auto& [id, shard] : metadata.placements) {
    for (const auto& copy : shard.copies) {
      const auto node = metadata.nodes.find(copy.node);
      if (node == metadata.nodes.end() || node->second.status != NodeStatus::kDraining) continue;
      auto why = cluster::drain_obstacle(metadata, shard, copy.node);
      if (why.empty()) continue;
      auto view = view_of(metadata, cluster::PlannedMove{id, copy.node, NodeId(), false}, cluster::MoveCause::kDrain);
      view.state = "blocked";
      view.note = std::move(why);
      views.push_back(std::move(view));
    }
  }
}

}  // namespace

std::vector<ShardId> moving_shards(const ClusterMetadata& metadata) {
  std::vector<ShardId> shards;
  for (const auto& [id, migration] : metadata.migrations) {
    if (!migration.ended()) shards.push_back(migration.move.shard);
  }
  return shards;
}

std::vector<Migration> all_migrations(const ClusterMetadata& metadata, const ShardReports& reports) {
  std::vector<Migration> views;
  for (const auto& [id, migration] : metadata.migrations) {
    if (!migration.ended()) views.push_back(view_of(metadata, migration, reports));
  }
  add_blocked(metadata, views);
  for (auto at = metadata.migrations.rbegin(); at != metadata.migrations.rend(); ++at) {
    if (at->second.ended()) views.push_back(view_of(metadata, at->second, reports));
  }
  return views;
}

std::map<ShardId, std::uint64_t> sizes_of(const ClusterMetadata& metadata, const ShardReports& reports) {
  std::map<ShardId, std::uint64_t> sizes;
  for (const auto& [id, shard] : metadata.placements) {
    if (const auto* report = reports.best(shard)) sizes[id] = bytes_of(*report);
  }
  return sizes;
}

std::vector<Migration> planned(const ClusterMetadata& metadata, const std::vector<cluster::PlannedMove>& moves,
                               cluster::MoveCause cause) {
  std::vector<Migration> views;
  for (const auto& move : moves) {
    views.push_back(view_of(metadata, move, cause));
    views.back().state = "planned";
  }
  return views;
}

Result<std::vector<Migration>> start_rebalance(cluster::MetadataLog& log, std::map<ShardId, std::uint64_t> sizes,
                                               bool force, bool dry_run) {
  const auto metadata = log.current();
  auto moves = cluster::balancing_moves(*metadata, {std::move(sizes), force});
  if (moves.size() > kMovesAtOnce) moves.resize(kMovesAtOnce);
  auto views = planned(*metadata, moves, cluster::MoveCause::kRebalance);
  if (moves.empty() || dry_run) return views;
  auto id = metadata->next_migration_id;
  ASSIGN_OR_RETURN(const auto decided,
                   log.propose(cluster::StartMoves{std::move(moves), cluster::MoveCause::kRebalance, wall_ms()}));
  // Others may have started moves as well: the last ones like these are ours.
  for (auto& view : views) {
    for (; id < decided->next_migration_id; ++id) {
      const auto found = decided->migrations.find(id);
      if (found == decided->migrations.end() || found->second.move.shard != view.shard) continue;
      view.id = id++;
      view.state = "waiting";
      break;
    }
  }
  return views;
}

}  // namespace vectorizer::coordinator
