#include "shard_routing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vectorizer::coordinator {

Result<ShardRouting> ShardRouting::of(cluster::MetadataLog& metadata, peer::PeerDirectory& peers, const NodeId& self,
                                      const std::string& collection) {
  auto snapshot = metadata.current();
  const auto* record = snapshot->find(collection);
  if (record == nullptr) {
    RETURN_IF_ERROR(metadata.catch_up());
    snapshot = metadata.current();
    record = snapshot->find(collection);
  }
  if (record == nullptr) {
    return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", collection)}.with(
        "name", collection);
  }
  return ShardRouting(std::move(snapshot), record, peers, self);
}

bool ShardRouting::has(const ShardId& shard) const {
  const auto& shards = collection_->shards;
  return std::find(shards.begin(), shards.end(), shard) != shards.end();
}

std::uint64_t ShardRouting::term_of(const ShardId& shard) const {
  return metadata_->placements.at(shard).term;
}

Error ShardRouting::no_primary(const ShardId& shard) const {
  if (metadata_->active_nodes().empty()) {
    return Error{ErrorType::kNoActiveNodes,
                 fmt::format("No active cluster nodes available (shard {} has no primary)", shard.value())}
        .with("shard_id", shard.value());
  }
  return Error{ErrorType::kShardUnavailable,
               fmt::format("Shard not found or not assigned: shard {} has no primary", shard.value())}
      .with("shard_id", shard.value());
}

Result<Candidate> ShardRouting::primary_candidate(const ShardId& shard) const {
  const auto found = metadata_->placements.find(shard);
  if (found == metadata_->placements.end() || found->second.primary.value().empty()) return no_primary(shard);
  const auto& node = found->second.primary;
  auto* peer = peers_->find(node);
  if (peer == nullptr) {
    return Error{ErrorType::kNodeUnreachable,
                 fmt::format("Failed to get client for node '{}' (shard {})", node.value(), shard.value())}
        .with("node", node.value())
        .with("shard_id", shard.value());
  }
  return Candidate{node, peer, node == self_};
}

Result<peer::Peer*> ShardRouting::primary(const ShardId& shard) const {
  ASSIGN_OR_RETURN(const auto candidate, primary_candidate(shard));
  return candidate.peer;
}

std::vector<Candidate> ShardRouting::copies_of(const cluster::ShardPlacement& placement) const {
  std::vector<Candidate> found, unhealthy;
  const auto& copies = placement.copies;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto& copy = copies[(i + placement.shard.value()) % copies.size()];  // not always the same for everybody
    if (copy.role != cluster::CopyRole::kInSync || !metadata_->present(copy)) continue;
    auto* peer = peers_->find(copy.node);
    if (peer == nullptr) continue;
    const Candidate candidate{copy.node, peer, copy.node == self_};
    if (candidate.local) {
      found.insert(found.begin(), candidate);
    } else if (metadata_->live(copy)) {
      found.push_back(candidate);
    } else {
      unhealthy.push_back(candidate);
    }
  }
  return found.empty() ? unhealthy : found;
}

ShardRouting::Targets ShardRouting::targets(Consistency consistency, bool session,
                                            std::span<const ShardId> shards) const {
  Targets result;
  for (const auto& shard : shards) {
    Target target{shard, {}};
    const auto found = metadata_->placements.find(shard);
    if (consistency == Consistency::kAny && found != metadata_->placements.end()) {
      target.candidates = copies_of(found->second);
    }
    auto& candidates = target.candidates;
    if (candidates.empty() || session) {
      auto primary = primary_candidate(shard);
      if (!primary && candidates.empty()) {
        result.unreachable.emplace_back(shard, std::move(primary.error()));
        continue;
      }
      // With a session it comes last: the others answer if they have what the session wrote.
      const auto is_primary = [&](const Candidate& candidate) { return primary && candidate.node == primary->node; };
      if (primary && std::none_of(candidates.begin(), candidates.end(), is_primary)) candidates.push_back(*primary);
    }
    result.targets.push_back(std::move(target));
  }
  return result;
}

}  // namespace vectorizer::coordinator
