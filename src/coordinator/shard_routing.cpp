#include "shard_routing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vectorizer::coordinator {

Result<ShardRouting> ShardRouting::of(const cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                                      const std::string& collection) {
  auto snapshot = metadata.current();
  const auto* record = snapshot->find(collection);
  if (record == nullptr) {
    return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", collection)}.with(
        "name", collection);
  }
  return ShardRouting(std::move(snapshot), record, peers);
}

bool ShardRouting::has(const ShardId& shard) const {
  const auto& shards = collection_->shards;
  return std::find(shards.begin(), shards.end(), shard) != shards.end();
}

std::uint64_t ShardRouting::term_of(const ShardId& shard) const {
  return metadata_->placements.at(shard).term;
}

Result<peer::Peer*> ShardRouting::primary(const ShardId& shard) const {
  const auto found = metadata_->placements.find(shard);
  if (found == metadata_->placements.end() || found->second.primary.value().empty()) {
    return Error{ErrorType::kShardUnavailable,
                 fmt::format("Shard not found or not assigned: shard {} has no primary", shard.value())}
        .with("shard_id", shard.value());
  }
  const auto& node = found->second.primary;
  auto* peer = peers_->find(node);
  if (peer == nullptr) {
    return Error{ErrorType::kNodeUnreachable,
                 fmt::format("Failed to get client for node '{}' (shard {})", node.value(), shard.value())}
        .with("node", node.value())
        .with("shard_id", shard.value());
  }
  return peer;
}

ShardRouting::Legs ShardRouting::legs() const {
  Legs legs;
  for (const auto& shard : collection_->shards) {
    auto peer = primary(shard);
    if (peer) {
      legs.by_peer[*peer].push_back(shard);
    } else {
      legs.unreachable.emplace_back(shard, std::move(peer.error()));
    }
  }
  return legs;
}

}  // namespace vectorizer::coordinator
