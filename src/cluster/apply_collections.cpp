#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apply_steps.hpp"
#include "vectorizer/cluster/placement.hpp"

namespace vectorizer::cluster {
namespace {

Error no_such_collection(const std::string& name) {
  return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", name)}.with("name", name);
}

Result<void> check_factor(const ShardingConfig& sharding, std::size_t active) {
  if (sharding.replication_factor <= active) return {};
  return invalid_field("sharding.replication_factor",
                       fmt::format("{} copies of a shard need as many active nodes, the cluster has {}",
                                   sharding.replication_factor, active));
}

Result<void> check_min_in_sync(const ShardingConfig& sharding) {
  if (sharding.min_in_sync > sharding.replication_factor) {
    return invalid_field("sharding.min_in_sync", fmt::format("min_in_sync ({}) must not exceed replication_factor ({})",
                                                             sharding.min_in_sync, sharding.replication_factor));
  }
  return {};
}

}  // namespace

Result<void> step(ClusterMetadata& next, const CreateCollection& command) {
  auto config = command.config;
  if (next.find(config.name) != nullptr) {
    return Error{ErrorType::kCollectionAlreadyExists, fmt::format("collection '{}' already exists", config.name)}.with(
        "name", config.name);
  }
  const auto active = next.active_nodes().size();
  if (active == 0) return Error{ErrorType::kNoActiveNodes, "No active cluster nodes available"};
  config.sharding = with_sharding_defaults(config.sharding, active);
  RETURN_IF_ERROR(check_factor(config.sharding, active));
  RETURN_IF_ERROR(check_min_in_sync(config.sharding));
  CollectionRecord record;
  record.config = config;
  record.created_at_ms = command.created_at_ms;
  record.ring = make_shard_ring(config.sharding);
  for (auto& placement : place_shards(next, config, next.next_shard_id)) {
    next.next_copy_id += placement.copies.size();
    const auto shard = placement.shard;
    record.shards.push_back(shard);
    next.placements.emplace(shard, std::move(placement));
  }
  next.next_shard_id += config.sharding.shard_count;
  next.collections.emplace(config.name, std::move(record));
  return {};
}

Result<void> step(ClusterMetadata& next, const AlterCollection& command) {
  const auto found = next.collections.find(command.expected.name);
  if (found == next.collections.end()) return no_such_collection(command.expected.name);
  auto& record = found->second;
  if (!(record.config == command.expected)) {
    return Error{ErrorType::kConflict, fmt::format("collection '{}' was changed meanwhile", command.expected.name)}
        .with("name", command.expected.name);
  }
  const auto active = next.active_nodes().size();
  auto wanted = command.wanted;
  wanted.sharding = with_sharding_defaults(wanted.sharding, active);
  // Whoever proposed it has looked; but metadata with another name or shards could not be read again.
  if (const auto allowed = apply_collection_patch(record.config, collection_config_to_json(wanted)); !allowed) {
    return allowed.error();
  }
  // What is there already may stay while nodes are away.
  if (wanted.sharding.replication_factor > record.config.sharding.replication_factor) {
    RETURN_IF_ERROR(check_factor(wanted.sharding, active));
  }
  RETURN_IF_ERROR(check_min_in_sync(wanted.sharding));
  record.config = wanted;
  for (const auto& shard : record.shards) next.placements.at(shard).min_in_sync = wanted.sharding.min_in_sync;
  return {};
}

Result<void> step(ClusterMetadata& next, const DropCollection& command) {
  const auto found = next.collections.find(command.name);
  if (found == next.collections.end()) return no_such_collection(command.name);
  for (const auto& shard : found->second.shards) next.placements.erase(shard);
  next.collections.erase(found);
  return {};
}

}  // namespace vectorizer::cluster
