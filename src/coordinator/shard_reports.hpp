#pragma once

#include <map>

#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// What the primaries report of their shards, by shard; a shard that nobody answers for is missing.
inline std::map<ShardId, peer::ShardReport> primary_reports(const cluster::ClusterMetadata& metadata,
                                                            peer::PeerDirectory& peers) {
  std::map<ShardId, peer::ShardReport> reports;
  for (const auto& [id, node] : metadata.nodes) {
    auto* peer = peers.find(id);
    if (peer == nullptr) continue;
    auto answered = peer->report();
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
