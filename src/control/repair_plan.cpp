#include "repair_plan.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;
using cluster::MetadataCommand;
using cluster::NodeStatus;
using cluster::ShardPlacement;

std::optional<MetadataCommand> node_status(const cluster::NodeRecord& node, const Observations& seen) {
  if (node.status == NodeStatus::kActive && dead(seen, node.id)) {
    return cluster::SetNodeStatus{node.id, node.raft_id, NodeStatus::kActive, NodeStatus::kUnhealthy};
  }
  const auto* beat = beat_of(seen, node.id);
  if (node.status == NodeStatus::kUnhealthy && !dead(seen, node.id) && beat != nullptr &&
      beat->raft_id == node.raft_id) {
    return cluster::SetNodeStatus{node.id, node.raft_id, NodeStatus::kUnhealthy, NodeStatus::kActive};
  }
  return std::nullopt;
}

/// Whether a copy may lead: in sync, or never opened while no copy of the shard is; alive, undamaged, and heard.
bool can_lead(const ClusterMetadata& metadata, const ShardPlacement& shard, const CopyRecord& copy,
              const Observations& seen) {
  const auto wanted = shard.in_sync_count() > 0 ? CopyRole::kInSync : CopyRole::kInit;
  if (copy.role != wanted || !metadata.present(copy) || dead(seen, copy.node)) return false;
  if (wanted == CopyRole::kInit) return true;
  const auto* status = status_of(seen, copy);
  return status != nullptr && !status->failed;
}

/// The copy that holds most; the present primary among equals, so that a restart moves nothing.
const CopyRecord* best_leader(const ClusterMetadata& metadata, const ShardPlacement& shard, const Observations& seen) {
  const CopyRecord* best = nullptr;
  const auto rank = [&](const CopyRecord& copy) {
    const auto* status = status_of(seen, copy);
    const auto last = status == nullptr ? LogPosition{} : status->last;
    return std::tuple(last.term, last.sequence, copy.node == shard.primary);
  };
  for (const auto& copy : shard.copies) {
    if (!can_lead(metadata, shard, copy, seen)) continue;
    if (best == nullptr || rank(copy) > rank(*best)) best = &copy;
  }
  return best;
}

/// An in-sync copy whose node has not beaten in this time as leader and is not dead either.
bool somebody_unheard(const ShardPlacement& shard, const Observations& seen) {
  return std::any_of(shard.copies.begin(), shard.copies.end(), [&](const CopyRecord& copy) {
    return copy.role == CopyRole::kInSync && !dead(seen, copy.node) && beat_of(seen, copy.node) == nullptr;
  });
}

std::optional<MetadataCommand> promotion(const ClusterMetadata& metadata, const ShardPlacement& shard,
                                         const Observations& seen) {
  if (!seen.settled || somebody_unheard(shard, seen)) return std::nullopt;
  if (const auto* best = best_leader(metadata, shard, seen)) {
    return cluster::Promote{shard.shard, shard.term, shard.isr_version, best->node};
  }
  if (shard.primary.value().empty()) return std::nullopt;  // it waits already
  return cluster::Promote{shard.shard, shard.term, shard.isr_version, NodeId()};
}

/// A copy that is of no use any more, while another one holds the data.
std::optional<MetadataCommand> dropped_copy(const ClusterMetadata& metadata, const ShardPlacement& shard,
                                            const Observations& seen) {
  for (const auto& copy : shard.copies) {
    if (copy.node == shard.primary) continue;
    if (metadata.present(copy) && !failed(seen, copy)) continue;
    const bool another = std::any_of(shard.copies.begin(), shard.copies.end(), [&](const CopyRecord& other) {
      return other.id != copy.id && other.role == CopyRole::kInSync && metadata.live(other) &&
             !dead(seen, other.node) && !failed(seen, other);
    });
    if (another) return cluster::DropCopy{shard.shard, shard.term, shard.isr_version, copy.id};
  }
  return std::nullopt;
}

using CopyCounts = std::map<NodeId, std::size_t>;

CopyCounts copies_per_node(const ClusterMetadata& metadata) {
  CopyCounts counts;
  for (const auto& [id, shard] : metadata.placements) {
    for (const auto& copy : shard.copies) ++counts[copy.node];
  }
  return counts;
}

/// The node has been away for so long that what it holds is made again elsewhere.
bool given_up(const ClusterMetadata& metadata, const NodeId& node, const Observations& seen,
              std::chrono::milliseconds replace_after) {
  const auto known = metadata.nodes.find(node);
  const auto heard = seen.nodes.find(node);
  if (replace_after.count() == 0 || known == metadata.nodes.end() || heard == seen.nodes.end()) return false;
  return known->second.status != NodeStatus::kActive && heard->second.dead && heard->second.silence > replace_after;
}

/// Copies that will be there: not those on nodes that were given up, nor the one that the move of the shard takes away
/// once it has made another.
std::size_t lasting_copies(const ClusterMetadata& metadata, const ShardPlacement& shard, const Observations& seen,
                           std::chrono::milliseconds replace_after) {
  const auto* migration = metadata.migration_of(shard.shard);
  const bool moves = migration != nullptr && migration->state == cluster::MoveState::kRunning &&
                     !migration->move.lead && shard.copy_on(migration->move.to) != nullptr;
  return static_cast<std::size_t>(std::count_if(shard.copies.begin(), shard.copies.end(), [&](const auto& copy) {
    if (moves && copy.node == migration->move.from) return false;
    return !given_up(metadata, copy.node, seen, replace_after);
  }));
}

std::optional<MetadataCommand> new_copy(const ClusterMetadata& metadata, const ShardPlacement& shard,
                                        const Observations& seen, CopyCounts& counts,
                                        std::chrono::milliseconds replace_after) {
  const auto* collection = metadata.find(shard.collection);
  if (collection == nullptr) return std::nullopt;
  const auto lasting = lasting_copies(metadata, shard, seen, replace_after);
  if (lasting >= collection->config.sharding.replication_factor) return std::nullopt;
  // Beside copies that may come back a new one is only made where somebody can fill it.
  if (lasting < shard.copies.size() && good_copies(metadata, shard, seen) == 0) return std::nullopt;
  const NodeId* target = nullptr;
  for (const auto& [id, node] : metadata.nodes) {
    if (node.status != NodeStatus::kActive || dead(seen, id) || shard.copy_on(id) != nullptr) continue;
    if (target == nullptr || counts[id] < counts[*target]) target = &id;
  }
  if (target == nullptr) return std::nullopt;
  ++counts[*target];
  return cluster::AllocateCopy{shard.shard, shard.term, shard.isr_version, *target};
}

}  // namespace

bool RepairPlan::needs_primary(const ClusterMetadata& metadata, const ShardPlacement& shard, const Observations& seen) {
  const auto* copy = shard.primary_copy();
  if (copy == nullptr || dead(seen, copy->node) || !metadata.present(*copy) || failed(seen, *copy)) {
    not_leading_since_.erase(shard.shard);
    return true;
  }
  const auto* status = status_of(seen, *copy);
  const bool leads = status != nullptr && status->leading && status->term == shard.term;
  if (leads || beat_of(seen, copy->node) == nullptr || !shard.open()) {
    not_leading_since_.erase(shard.shard);
    return false;
  }
  const auto [entry, fresh] = not_leading_since_.try_emplace(shard.shard, shard.term, seen.now);
  if (!fresh && entry->second.first != shard.term) entry->second = {shard.term, seen.now};
  return seen.now - entry->second.second > kTakeUpTime;
}

std::vector<MetadataCommand> RepairPlan::next(const ClusterMetadata& metadata, const Observations& seen) {
  std::vector<MetadataCommand> commands;
  for (const auto& [id, node] : metadata.nodes) {
    if (auto command = node_status(node, seen)) commands.push_back(std::move(*command));
  }
  auto counts = copies_per_node(metadata);
  for (const auto& [id, shard] : metadata.placements) {
    auto command = needs_primary(metadata, shard, seen) ? promotion(metadata, shard, seen) : std::nullopt;
    if (!command) command = dropped_copy(metadata, shard, seen);
    if (!command) command = new_copy(metadata, shard, seen, counts, replace_after_);
    if (command) commands.push_back(std::move(*command));
  }
  std::erase_if(not_leading_since_, [&](const auto& item) { return metadata.placements.count(item.first) == 0; });
  return commands;
}

}  // namespace vectorizer::control
