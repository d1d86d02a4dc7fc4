#include <fmt/format.h>

#include <algorithm>

#include "apply_steps.hpp"

namespace vectorizer::cluster {
namespace {

constexpr std::size_t kMaxNodes = 256;

Error no_such_node(const NodeId& node) {
  return Error{ErrorType::kNodeNotFound, fmt::format("node '{}' does not exist", node.value())}.with("id",
                                                                                                     node.value());
}

Error refused(const NodeRecord& known, std::string_view why) {
  return Error{ErrorType::kConflict,
               fmt::format("node '{}' at {}:{} (raft id {:016x}) is {}: {}", known.id.value(), known.address,
                           known.grpc_port, known.raft_id, node_status_name(known.status), why)}
      .with("id", known.id.value())
      .with("status", node_status_name(known.status));
}

/// The copies that a single node made before it had an identity are on the disk that now has one.
void adopt_copies(ClusterMetadata& next, const NodeRecord& node) {
  for (auto& [shard, placement] : next.placements) {
    for (auto& copy : placement.copies) {
      if (copy.node == node.id && copy.node_uuid.empty()) copy.node_uuid = node.uuid;
    }
  }
}

Result<void> update(ClusterMetadata& next, NodeRecord& known, const NodeRecord& told) {
  if (known.status == NodeStatus::kRemoved && known.raft_id != 0) {
    return refused(known, "it can come back only with an empty data directory");
  }
  if (!known.uuid.empty() && known.uuid != told.uuid) {
    return refused(known, fmt::format("its disk is {}, not {}", known.uuid, told.uuid));
  }
  const auto status = known.status;
  const bool gets_identity = known.uuid.empty() && !told.uuid.empty();
  known = told;
  known.status = status;
  if (gets_identity) adopt_copies(next, known);
  return {};
}

bool may_follow(NodeStatus from, NodeStatus to) {
  using enum NodeStatus;
  switch (from) {
    case kJoining:
      return to == kActive;
    case kActive:
      return to == kUnhealthy || to == kDraining;
    case kUnhealthy:
      return to == kActive || to == kDraining;
    case kDraining:
      return to == kActive;
    case kRemoved:
      return false;
  }
  return false;
}

bool holds_copies(const ClusterMetadata& metadata, const NodeId& node) {
  return std::any_of(metadata.placements.begin(), metadata.placements.end(),
                     [&](const auto& item) { return item.second.copy_on(node) != nullptr; });
}

}  // namespace

Result<void> step(ClusterMetadata& next, const InitCluster& command) {
  if (command.cluster_id.empty() || command.expected_nodes == 0) {
    return invalid_field("cluster_id", "a cluster needs an id and at least one expected node");
  }
  if (next.cluster_id.empty()) {
    next.cluster_id = command.cluster_id;
    next.expected_nodes = command.expected_nodes;
    return {};
  }
  if (next.cluster_id == command.cluster_id && next.expected_nodes == command.expected_nodes) return {};
  return Error{ErrorType::kConflict,
               fmt::format("this is cluster {} of {} nodes", next.cluster_id, next.expected_nodes)};
}

Result<void> step(ClusterMetadata& next, const UpsertNode& command) {
  const auto& told = command.node;
  if (told.id.value().empty()) return invalid_field("id", "a node needs one");
  for (const auto& [id, other] : next.nodes) {
    if (id != told.id && told.raft_id != 0 && other.raft_id == told.raft_id) {
      return refused(other, fmt::format("node '{}' cannot have the same raft id", told.id.value()));
    }
  }
  if (told.raft_id != 0 && told.protocol < next.protocol) {
    return Error{ErrorType::kConflict,
                 fmt::format("node '{}' knows protocol {}, the cluster speaks {}: start a newer version of it",
                             told.id.value(), told.protocol, next.protocol)}
        .with("id", told.id.value());
  }
  const auto found = next.nodes.find(told.id);
  if (found == next.nodes.end()) {
    if (next.nodes.size() >= kMaxNodes) {
      return invalid_field("id", fmt::format("the cluster has {} nodes, the most that it can have", kMaxNodes));
    }
    next.nodes.emplace(told.id, told);
    return {};
  }
  auto& known = found->second;
  if (known.raft_id == told.raft_id || known.raft_id == 0) return update(next, known, told);
  if (known.status != NodeStatus::kRemoved && command.replaces != known.raft_id) {
    return refused(known, fmt::format("another process of this name at {}:{} (raft id {:016x}) does not replace it",
                                      told.address, told.grpc_port, told.raft_id));
  }
  known = told;
  return {};
}

Result<void> step(ClusterMetadata& next, const SetNodeStatus& command) {
  const auto found = next.nodes.find(command.node);
  if (found == next.nodes.end()) return no_such_node(command.node);
  auto& known = found->second;
  if (known.raft_id != command.raft_id || known.status != command.from) {
    return refused(known, fmt::format("{} was meant for raft id {:016x} while {}", node_status_name(command.to),
                                      command.raft_id, node_status_name(command.from)));
  }
  if (!may_follow(command.from, command.to)) {
    return refused(known, fmt::format("it cannot become {}", node_status_name(command.to)));
  }
  known.status = command.to;
  return {};
}

Result<void> step(ClusterMetadata& next, const RemoveNode& command) {
  const auto found = next.nodes.find(command.node);
  if (found == next.nodes.end()) return no_such_node(command.node);
  auto& known = found->second;
  if (known.raft_id != command.raft_id) {
    return refused(known, fmt::format("its removal was meant for raft id {:016x}", command.raft_id));
  }
  if (!command.force && holds_copies(next, command.node)) {
    return refused(known, "it still holds copies of shards; drain it first");
  }
  if (known.raft_id == 0 && known.status == NodeStatus::kJoining) {
    next.nodes.erase(found);  // it never was a member: there is no disk that must not come back
    return {};
  }
  known.status = NodeStatus::kRemoved;
  return {};
}

Result<void> step(ClusterMetadata& next, const Formed&) {
  if (next.cluster_id.empty()) return Error{ErrorType::kConflict, "there is no cluster to be formed"};
  const auto joined =
      static_cast<std::size_t>(std::count_if(next.nodes.begin(), next.nodes.end(), [](const auto& item) {
        return item.second.status != NodeStatus::kJoining && item.second.status != NodeStatus::kRemoved;
      }));
  if (!next.formed && joined < next.expected_nodes) {
    return Error{ErrorType::kConflict, fmt::format("{} of {} expected nodes have joined", joined, next.expected_nodes)};
  }
  next.formed = true;
  return {};
}

Result<void> step(ClusterMetadata& next, const RaiseProtocol& command) {
  if (command.to <= next.protocol) return {};
  for (const auto& [id, node] : next.nodes) {
    if (node.raft_id == 0 || node.status == NodeStatus::kRemoved || node.protocol >= command.to) continue;
    return refused(node, fmt::format("it knows protocol {}, not {}", node.protocol, command.to));
  }
  next.protocol = command.to;
  return {};
}

}  // namespace vectorizer::cluster
