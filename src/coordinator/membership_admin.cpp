#include "membership_admin.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "migrations.hpp"
#include "vectorizer/cluster/balance.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRole;
using cluster::NodeRecord;
using cluster::NodeStatus;

Error refused(const NodeId& node, std::string why) {
  return Error{ErrorType::kConflict, fmt::format("node '{}' {}", node.value(), why)}.with("node", node.value());
}

/// 409 unless the other active nodes can hold every collection's copies.
Result<void> check_room(const ClusterMetadata& metadata, const NodeId& node) {
  auto active = metadata.active_nodes();
  std::erase(active, node);
  std::vector<std::string> too_large;
  for (const auto& [name, collection] : metadata.collections) {
    const auto factor = collection.config.sharding.replication_factor;
    if (factor > active.size()) too_large.push_back(fmt::format("'{}' ({})", name, factor));
  }
  if (too_large.empty()) return {};
  constexpr std::size_t kNamed = 10;
  const auto count = too_large.size();
  if (count > kNamed) too_large.resize(kNamed);
  return refused(node, fmt::format("cannot leave: {} active nodes are left, fewer than the replication_factor of {} "
                                   "collections: {}. Add a node, or make the factor smaller",
                                   active.size(), count, fmt::join(too_large, ", ")))
      .with("active_nodes_left", active.size());
}

/// Shards of which no copy in sync is left without the node.
std::vector<LostShard> lost_with(const ClusterMetadata& metadata, const NodeId& node) {
  std::vector<LostShard> lost;
  for (const auto& [id, shard] : metadata.placements) {
    const auto holds = [&](const auto& copy) {
      return copy.node != node && copy.role == CopyRole::kInSync && metadata.present(copy);
    };
    if (shard.copy_on(node) == nullptr || shard.in_sync_count() == 0) continue;
    if (std::any_of(shard.copies.begin(), shard.copies.end(), holds)) continue;
    auto& entry = lost.emplace_back();
    entry.shard = id;
    entry.collection = shard.collection;
    for (const auto& copy : shard.copies) {
      if (copy.node != node && copy.role == CopyRole::kStale && metadata.present(copy)) {
        entry.older_copies.push_back(copy.node);
      }
    }
  }
  return lost;
}

Result<NodeRemoval> remove_by_force(cluster::MetadataLog& log, const ClusterMetadata& metadata,
                                    const NodeRecord& node) {
  if (node.status == NodeStatus::kActive || node.status == NodeStatus::kDraining) {
    return refused(node.id,
                   fmt::format("is {}: force is for a node that is gone for good. Stop it, and wait until it is "
                               "unhealthy",
                               cluster::node_status_name(node.status)));
  }
  NodeRemoval removal;
  removal.lost = lost_with(metadata, node.id);
  ASSIGN_OR_RETURN(const auto decided, log.propose(cluster::RemoveNode{node.id, node.raft_id, true}));
  (void)decided;
  return removal;
}

}  // namespace

Error node_not_found(const NodeId& node) {
  return Error{ErrorType::kNodeNotFound, fmt::format("node '{}' is not a member of the cluster", node.value())}.with(
      "node", node.value());
}

Error node_already_exists(const NodeId& node) {
  return Error{ErrorType::kNodeAlreadyExists, fmt::format("node '{}' already exists", node.value())}.with("id",
                                                                                                          node.value());
}

Result<NodeRecord> record_new_node(cluster::MetadataLog& log, const MemberPorts& members, const NodeView& node) {
  RETURN_IF_ERROR(log.catch_up());
  const auto metadata = log.current();
  const auto known = metadata->nodes.find(node.id);
  if (known != metadata->nodes.end() && known->second.status != NodeStatus::kRemoved)
    return node_already_exists(node.id);
  for (const auto& [id, other] : metadata->nodes) {
    const bool same = other.address == node.address && other.grpc_port == node.grpc_port;
    if (same && other.status != NodeStatus::kRemoved) {
      return refused(node.id, fmt::format("cannot have the address of '{}'", id.value()));
    }
  }
  NodeRecord record;
  record.id = node.id;
  record.address = node.address;
  record.grpc_port = node.grpc_port;
  record.status = NodeStatus::kJoining;
  record.problem = "it has not been called yet";
  // One that does not answer yet may be started later.
  if (const auto answer = members.greet(node.address, node.grpc_port)) {
    if (answer->node != node.id) {
      return refused(node.id, fmt::format("is not what answers there: that calls itself '{}'", answer->node.value()));
    }
    if (!answer->cluster_id.empty() && answer->cluster_id != members.cluster_id()) {
      return refused(node.id,
                     fmt::format("belongs to another cluster, {}; empty its data directory", answer->cluster_id));
    }
  }
  ASSIGN_OR_RETURN(const auto decided, log.propose(cluster::UpsertNode{record, 0}));
  const auto recorded = decided->nodes.find(node.id);
  return recorded == decided->nodes.end() ? record : recorded->second;
}

Result<NodeRemoval> remove_node(cluster::MetadataLog& log, const NodeId& id, bool force) {
  const auto metadata = log.current();
  const auto found = metadata->nodes.find(id);
  if (found == metadata->nodes.end()) return node_not_found(id);
  const auto& node = found->second;
  if (node.status == NodeStatus::kRemoved) return refused(id, "was removed already");
  const auto members = std::count_if(metadata->nodes.begin(), metadata->nodes.end(), [](const auto& item) {
    return item.second.status != NodeStatus::kRemoved && item.second.status != NodeStatus::kJoining;
  });
  if (members <= 1 && node.status != NodeStatus::kJoining) {
    return invalid_field("id", fmt::format("'{}' is the last node of the cluster and cannot be removed", id.value()));
  }
  if (force || node.status == NodeStatus::kJoining) return remove_by_force(log, *metadata, node);
  RETURN_IF_ERROR(check_room(*metadata, id));
  NodeRemoval removal;
  auto now = metadata;
  if (node.status != NodeStatus::kDraining) {
    ASSIGN_OR_RETURN(now, log.propose(cluster::SetNodeStatus{id, node.raft_id, node.status, NodeStatus::kDraining}));
  }
  for (const auto& move : cluster::draining_moves(*now, {})) {
    if (move.from == id) removal.migrations.push_back(planned(*now, {move}, cluster::MoveCause::kDrain).front());
  }
  return removal;
}

Result<void> cancel_drain(cluster::MetadataLog& log, const NodeId& id) {
  const auto metadata = log.current();
  const auto found = metadata->nodes.find(id);
  if (found == metadata->nodes.end()) return node_not_found(id);
  const auto& node = found->second;
  if (node.status != NodeStatus::kDraining) return refused(id, "is not draining");
  ASSIGN_OR_RETURN(const auto decided,
                   log.propose(cluster::SetNodeStatus{id, node.raft_id, NodeStatus::kDraining, NodeStatus::kActive}));
  (void)decided;  // the leader takes back what moves away from a node that does not drain
  return {};
}

}  // namespace vectorizer::coordinator
