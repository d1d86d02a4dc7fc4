#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "apply_steps.hpp"

namespace vectorizer::cluster {
namespace {

std::string names_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const auto& node : nodes) text += (text.empty() ? "" : ", ") + node.value();
  return text;
}

Error refused(const ShardPlacement& now, std::string_view why) {
  const auto& primary = now.primary.value();
  const auto in_sync = names_of(now.in_sync());
  return Error{ErrorType::kConflict,
               fmt::format("shard {} is at term {} version {} with primary {} and in sync [{}]: {}", now.shard.value(),
                           now.term, now.isr_version, primary.empty() ? "none" : primary, in_sync, why)}
      .with("shard_id", now.shard.value())
      .with("term", now.term)
      .with("isr_version", now.isr_version)
      .with("primary", primary)
      .with("in_sync", in_sync);
}

/// Copies that are still to be created empty may not be, once operations may have been acknowledged without them.
void end_creation(ShardPlacement& placement) {
  if (!placement.open()) return;
  for (auto& copy : placement.copies) {
    if (copy.role == CopyRole::kInit) copy.role = CopyRole::kRecovering;
  }
}

/// Compares and sets: `change` sees the placement only at the version that the command names.
template <typename Command, typename Change>
Result<void> on_shard(ClusterMetadata& next, const Command& command, Change change) {
  const auto found = next.placements.find(command.shard);
  if (found == next.placements.end()) {
    return Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id",
                                                                                       command.shard.value());
  }
  auto& placement = found->second;
  if (placement.term != command.term || placement.isr_version != command.isr_version) {
    return refused(placement,
                   fmt::format("the command was meant for term {} version {}", command.term, command.isr_version));
  }
  RETURN_IF_ERROR(change(placement));
  ++placement.isr_version;
  end_creation(placement);
  return {};
}

/// The copy to change, or null.
CopyRecord* mutable_copy(ShardPlacement& placement, const CopyRecord* copy) {
  return copy == nullptr ? nullptr : &placement.copies[static_cast<std::size_t>(copy - placement.copies.data())];
}

bool another_live_in_sync(const ClusterMetadata& metadata, const ShardPlacement& placement, const CopyRecord& except) {
  return std::any_of(placement.copies.begin(), placement.copies.end(), [&](const CopyRecord& copy) {
    return copy.id != except.id && copy.role == CopyRole::kInSync && metadata.live(copy);
  });
}

CopyRecord new_copy(ClusterMetadata& next, const NodeId& node, CopyRole role) {
  return {next.next_copy_id++, node, role, next.nodes.at(node).uuid};
}

Result<void> check_active(const ClusterMetadata& metadata, const ShardPlacement& now, const NodeId& node) {
  const auto found = metadata.nodes.find(node);
  if (found == metadata.nodes.end()) {
    return Error{ErrorType::kNodeNotFound, fmt::format("node '{}' does not exist", node.value())}.with("id",
                                                                                                       node.value());
  }
  if (found->second.status == NodeStatus::kActive) return {};
  return refused(now, fmt::format("node '{}' is {}", node.value(), node_status_name(found->second.status)));
}

Result<void> check_no_primary(const ShardPlacement& now) {
  if (now.primary.value().empty()) return {};
  return refused(now, "loss is accepted only for a shard without a primary");
}

}  // namespace

Result<void> step(ClusterMetadata& next, const OpenCopy& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    auto* copy = mutable_copy(placement, placement.copy_on(command.node));
    if (copy == nullptr || copy->role != CopyRole::kInit || !next.present(*copy)) {
      return refused(placement, fmt::format("node '{}' has no copy to create empty", command.node.value()));
    }
    copy->role = CopyRole::kInSync;
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const Promote& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    if (command.new_primary.value().empty()) {
      if (placement.primary.value().empty()) return refused(placement, "it has no primary already");
    } else {
      const auto* copy = placement.copy_on(command.new_primary);
      const auto wanted = placement.in_sync_count() == 0 ? CopyRole::kInit : CopyRole::kInSync;
      if (copy == nullptr || copy->role != wanted || !next.present(*copy)) {
        return refused(placement, fmt::format("node '{}' has no copy in sync", command.new_primary.value()));
      }
    }
    placement.primary = command.new_primary;
    ++placement.term;
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const ShrinkIsr& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    auto* copy = mutable_copy(placement, placement.copy(command.copy));
    if (copy == nullptr || copy->role != CopyRole::kInSync) {
      return refused(placement, fmt::format("copy {} is not in sync", command.copy));
    }
    if (!placement.open()) return refused(placement, "no primary is in sync to hold what the copy holds");
    if (copy->node == placement.primary) return refused(placement, "the primary never leaves the in-sync set");
    copy->role = CopyRole::kStale;
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const GrowIsr& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    auto* copy = mutable_copy(placement, placement.copy(command.copy));
    if (copy == nullptr || (copy->role != CopyRole::kRecovering && copy->role != CopyRole::kStale)) {
      return refused(placement, fmt::format("copy {} is none that recovers", command.copy));
    }
    if (!next.present(*copy)) return refused(placement, fmt::format("the disk of copy {} is gone", command.copy));
    if (!placement.open()) return refused(placement, "it has no primary to fill a copy from");
    copy->role = CopyRole::kInSync;
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const AllocateCopy& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    RETURN_IF_ERROR(check_active(next, placement, command.node));
    if (placement.copy_on(command.node) != nullptr) {
      return refused(placement, fmt::format("node '{}' has a copy already", command.node.value()));
    }
    const auto role = placement.in_sync_count() == 0 ? CopyRole::kInit : CopyRole::kRecovering;
    placement.copies.push_back(new_copy(next, command.node, role));
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const DropCopy& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    const auto* copy = placement.copy(command.copy);
    if (copy == nullptr) return refused(placement, fmt::format("it has no copy {}", command.copy));
    if (copy->node == placement.primary) return refused(placement, "the copy of its primary cannot be dropped");
    const bool never_written = placement.in_sync_count() == 0;
    if (!never_written && !another_live_in_sync(next, placement, *copy)) {
      return refused(placement, fmt::format("no other copy in sync is live: copy {} may be needed", command.copy));
    }
    placement.copies.erase(placement.copies.begin() + (copy - placement.copies.data()));
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const BumpIsr& command) {
  return on_shard(next, command, [](ShardPlacement&) -> Result<void> { return {}; });
}

Result<void> step(ClusterMetadata& next, const AllocateStale& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    RETURN_IF_ERROR(check_no_primary(placement));
    RETURN_IF_ERROR(check_active(next, placement, command.node));
    const auto* copy = placement.copy_on(command.node);
    if (copy == nullptr || copy->role == CopyRole::kInit || !next.present(*copy)) {
      return refused(placement, fmt::format("node '{}' has no copy with data", command.node.value()));
    }
    auto leading = *copy;
    leading.role = CopyRole::kInSync;
    placement.copies = {std::move(leading)};
    placement.primary = command.node;
    ++placement.term;
    return {};
  });
}

Result<void> step(ClusterMetadata& next, const AllocateEmpty& command) {
  return on_shard(next, command, [&](ShardPlacement& placement) -> Result<void> {
    RETURN_IF_ERROR(check_no_primary(placement));
    RETURN_IF_ERROR(check_active(next, placement, command.node));
    placement.copies = {new_copy(next, command.node, CopyRole::kInit)};
    placement.primary = command.node;
    ++placement.term;
    return {};
  });
}

}  // namespace vectorizer::cluster
