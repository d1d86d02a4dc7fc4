#include "vectorizer/cluster/metadata_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vectorizer/cluster/placement.hpp"

namespace vectorizer::cluster {
namespace {

Error no_such_collection(const std::string& name) {
  return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", name)}.with("name", name);
}

Result<ClusterMetadata> step(ClusterMetadata next, const UpsertNode& command) {
  next.nodes[command.node.id] = command.node;
  return next;
}

Result<ClusterMetadata> step(ClusterMetadata next, const CreateCollection& command) {
  const auto& config = command.config;
  if (next.find(config.name) != nullptr) {
    return Error{ErrorType::kCollectionAlreadyExists, fmt::format("collection '{}' already exists", config.name)}.with(
        "name", config.name);
  }
  if (config.sharding.replication_factor > next.nodes.size()) {
    return invalid_field("sharding.replication_factor",
                         fmt::format("{} copies need as many nodes, the cluster has {}",
                                     config.sharding.replication_factor, next.nodes.size()));
  }
  CollectionRecord record;
  record.config = config;
  record.created_at_ms = command.created_at_ms;
  record.ring = make_shard_ring(config.sharding);
  for (auto& placement : place_shards(next, config, next.next_shard_id)) {
    record.shards.push_back(placement.shard);
    const auto shard = placement.shard;
    next.placements.emplace(shard, std::move(placement));
  }
  next.next_shard_id += config.sharding.shard_count;
  next.collections.emplace(config.name, std::move(record));
  return next;
}

Result<ClusterMetadata> step(ClusterMetadata next, const AlterCollection& command) {
  const auto found = next.collections.find(command.expected.name);
  if (found == next.collections.end()) return no_such_collection(command.expected.name);
  if (!(found->second.config == command.expected)) {
    return Error{ErrorType::kConflict, fmt::format("collection '{}' was changed meanwhile", command.expected.name)}
        .with("name", command.expected.name);
  }
  if (command.wanted.sharding.replication_factor > next.nodes.size()) {
    return invalid_field("sharding.replication_factor",
                         fmt::format("{} copies need as many nodes, the cluster has {}",
                                     command.wanted.sharding.replication_factor, next.nodes.size()));
  }
  found->second.config = command.wanted;
  return next;
}

Result<ClusterMetadata> step(ClusterMetadata next, const DropCollection& command) {
  const auto found = next.collections.find(command.name);
  if (found == next.collections.end()) return no_such_collection(command.name);
  for (const auto& shard : found->second.shards) next.placements.erase(shard);
  next.collections.erase(found);
  return next;
}

Result<ClusterMetadata> step(ClusterMetadata next, const OpenCopy& command) {
  const auto found = next.placements.find(command.shard);
  if (found == next.placements.end()) {
    return Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id",
                                                                                       command.shard.value());
  }
  auto& placement = found->second;
  if (placement.term != command.term || placement.isr_version != command.isr_version || !placement.in_sync.empty() ||
      placement.primary != command.node) {
    return Error{
        ErrorType::kConflict,
        fmt::format("shard {} is at term {} version {}: a new copy cannot be opened for term {} version {}",
                    command.shard.value(), placement.term, placement.isr_version, command.term, command.isr_version)};
  }
  placement.in_sync.push_back(command.node);
  ++placement.isr_version;
  return next;
}

}  // namespace

Result<ClusterMetadata> apply(const ClusterMetadata& metadata, const MetadataCommand& command) {
  auto next = std::visit([&](const auto& concrete) { return step(metadata, concrete); }, command);
  if (next) next->epoch = metadata.epoch + 1;
  return next;
}

}  // namespace vectorizer::cluster
