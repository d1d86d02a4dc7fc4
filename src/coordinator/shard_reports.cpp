#include "shard_reports.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer::coordinator {

std::size_t live_in_sync(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement) {
  return static_cast<std::size_t>(std::count_if(
      placement.copies.begin(), placement.copies.end(),
      [&](const cluster::CopyRecord& copy) { return copy.role == cluster::CopyRole::kInSync && metadata.live(copy); }));
}

bool led(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement) {
  const auto* copy = placement.primary_copy();
  return copy != nullptr && metadata.live(*copy);
}

ShardReports ShardReports::read(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers, NodeCalls& calls,
                                std::span<const ShardId> shards) {
  std::map<NodeId, std::vector<ShardId>> wanted;
  for (const auto& shard : shards) {
    const auto placement = metadata.placements.find(shard);
    if (placement == metadata.placements.end()) continue;
    for (const auto& copy : placement->second.copies) {
      if (metadata.live(copy)) wanted[copy.node].push_back(shard);
    }
  }
  std::vector<NodeId> nodes;
  for (const auto& [node, of_node] : wanted) nodes.push_back(node);
  using Answer = std::vector<peer::ShardReport>;
  auto answers =
      calls.ask<Answer>(nodes, kNodeWait, [&peers, wanted = std::move(wanted)](const NodeId& node) -> Result<Answer> {
        auto* peer = peers.find(node);
        if (peer == nullptr) return no_client(node);
        return peer->report(wanted.at(node));
      });
  ShardReports reports;
  for (auto& [node, answer] : answers) {
    if (!answer) continue;
    auto& of_node = reports.by_node_[node];
    for (auto& report : *answer) {
      const auto shard = report.shard;
      if (!report.quarantined.empty()) {
        const auto& whose = report.quarantined_node.value().empty() ? node : report.quarantined_node;
        reports.quarantined_.push_back({shard, whose, report.quarantined});
      }
      if (!report.open) continue;
      of_node.emplace(shard, std::move(report));
    }
  }
  return reports;
}

ShardReports ShardReports::read(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers,
                                NodeCalls& calls) {
  std::vector<ShardId> all;
  all.reserve(metadata.placements.size());
  for (const auto& [shard, placement] : metadata.placements) all.push_back(shard);
  return read(metadata, peers, calls, all);
}

const peer::ShardReport* ShardReports::of(const NodeId& node, const ShardId& shard) const {
  const auto of_node = by_node_.find(node);
  if (of_node == by_node_.end()) return nullptr;
  const auto found = of_node->second.find(shard);
  return found == of_node->second.end() ? nullptr : &found->second;
}

const peer::ShardReport* ShardReports::primary(const cluster::ShardPlacement& placement) const {
  return placement.primary.value().empty() ? nullptr : of(placement.primary, placement.shard);
}

const peer::ShardReport* ShardReports::best(const cluster::ShardPlacement& placement) const {
  if (const auto* report = primary(placement)) return report;
  const peer::ShardReport* best = nullptr;
  for (const auto& node : placement.in_sync()) {
    const auto* report = of(node, placement.shard);
    if (report != nullptr && (best == nullptr || report->sequence > best->sequence)) best = report;
  }
  return best;
}

ShardView shard_view(const cluster::ShardPlacement& placement, const ShardReports& reports) {
  ShardView view;
  if (const auto* report = reports.best(placement)) static_cast<ShardStats&>(view) = *report;
  view.id = placement.shard;
  view.collection = placement.collection;
  view.primary = placement.primary;
  view.replicas = placement.replicas();
  view.in_sync = placement.in_sync();
  view.term = placement.term;
  return view;
}

}  // namespace vectorizer::coordinator
