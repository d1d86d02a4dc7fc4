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

bool dead(const Observations& seen, const NodeId& node) {
  const auto found = seen.nodes.find(node);
  return found == seen.nodes.end() || found->second.dead;
}

const peer::Beat* beat_of(const Observations& seen, const NodeId& node) {
  const auto found = seen.nodes.find(node);
  return found == seen.nodes.end() || !found->second.beat ? nullptr : &*found->second.beat;
}

const peer::CopyStatus* status_of(const Observations& seen, const CopyRecord& copy) {
  const auto* beat = beat_of(seen, copy.node);
  if (beat == nullptr) return nullptr;
  const auto found = std::find_if(beat->copies.begin(), beat->copies.end(),
                                  [&](const peer::CopyStatus& status) { return status.copy == copy.id; });
  return found == beat->copies.end() ? nullptr : &*found;
}

bool failed(const Observations& seen, const CopyRecord& copy) {
  const auto* status = status_of(seen, copy);
  return status != nullptr && status->failed;
}

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

std::optional<MetadataCommand> new_copy(const ClusterMetadata& metadata, const ShardPlacement& shard,
                                        const Observations& seen, CopyCounts& counts) {
  const auto* collection = metadata.find(shard.collection);
  if (collection == nullptr || shard.copies.size() >= collection->config.sharding.replication_factor) {
    return std::nullopt;
  }
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
    if (!command) command = new_copy(metadata, shard, seen, counts);
    if (command) commands.push_back(std::move(*command));
  }
  std::erase_if(not_leading_since_, [&](const auto& item) { return metadata.placements.count(item.first) == 0; });
  return commands;
}

}  // namespace vectorizer::control
