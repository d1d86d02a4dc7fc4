#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// What the primaries of `shards` report of them, by shard; a shard that nobody answers for is missing. One call per
/// node.
inline std::map<ShardId, peer::ShardReport> primary_reports(const cluster::ClusterMetadata& metadata,
                                                            peer::PeerDirectory& peers,
                                                            std::span<const ShardId> shards) {
  std::map<NodeId, std::vector<ShardId>> wanted;
  for (const auto& shard : shards) {
    const auto placement = metadata.placements.find(shard);
    if (placement != metadata.placements.end()) wanted[placement->second.primary].push_back(shard);
  }
  std::map<ShardId, peer::ShardReport> reports;
  for (const auto& [node, of_node] : wanted) {
    auto* peer = peers.find(node);
    if (peer == nullptr) continue;
    auto answered = peer->report(of_node);
    if (!answered) continue;
    for (auto& report : *answered) {
      const auto shard = report.shard;
      reports.emplace(shard, std::move(report));
    }
  }
  return reports;
}

/// Of every shard.
inline std::map<ShardId, peer::ShardReport> primary_reports(const cluster::ClusterMetadata& metadata,
                                                            peer::PeerDirectory& peers) {
  std::map<ShardId, peer::ShardReport> reports;
  for (const auto& [id, node] : metadata.nodes) {
    auto* peer = peers.find(id);
    if (peer == nullptr) continue;
    auto answered = peer->report({});
    if (!answered) continue;
    for (auto& report : *answered) {
      const auto placement = metadata.placements.find(report.shard);
      if (placement != metadata.placements.end() && placement->second.primary == id) {
        reports.emplace(report.shard, std::move(report));
      }
    }
  }
  return reports;
}

}  // namespace vectorizer::coordinator
