#include "metadata_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "json_reading.hpp"
#include "vectorizer/model/protocol.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

CopyRecord copy_from_json(const json& object) {
  CopyRecord copy;
  copy.id = integer_of<std::uint64_t>(object.at("id"));
  copy.node = NodeId(object.at("node").get<std::string>());
  copy.role = choice_of(object.at("role"), copy_role_from_name);
  copy.node_uuid = object.at("node_uuid").get<std::string>();
  return copy;
}

}  // namespace

json to_json(const NodeRecord& node) {
  json object{{"id", node.id.value()},
              {"address", node.address},
              {"grpc_port", node.grpc_port},
              {"rest_port", node.rest_port},
              {"uuid", node.uuid},
              {"raft_id", node.raft_id},
              {"status", node_status_name(node.status)},
              {"boot_epoch", node.boot_epoch},
              {"boot_nonce", node.boot_nonce},
              {"version", node.version}};
  if (!node.problem.empty()) object["problem"] = node.problem;
  if (node.protocol != kFirstProtocol) object["protocol"] = node.protocol;
  return object;
}

json to_json(const ShardPlacement& placement) {
  json copies = json::array();
  for (const auto& copy : placement.copies) {
    copies.push_back({{"id", copy.id},
                      {"node", copy.node.value()},
                      {"role", copy_role_name(copy.role)},
                      {"node_uuid", copy.node_uuid}});
  }
  return {
      {"shard", placement.shard.value()},     {"collection", placement.collection},   {"term", placement.term},
      {"isr_version", placement.isr_version}, {"primary", placement.primary.value()}, {"copies", std::move(copies)}};
}

json to_json(const CollectionRecord& record) {
  json shards = json::array();
  for (const auto& shard : record.shards) shards.push_back(shard.value());
  return {{"config", collection_config_to_json(record.config)},
          {"created_at_ms", record.created_at_ms},
          {"ring_version", record.ring_version},
          {"shards", std::move(shards)}};
}

json to_json(const PlannedMove& move) {
  return {{"shard", move.shard.value()}, {"from", move.from.value()}, {"to", move.to.value()}, {"lead", move.lead}};
}

json to_json(const MigrationRecord& migration) {
  return {{"id", migration.id},
          {"move", to_json(migration.move)},
          {"cause", move_cause_name(migration.cause)},
          {"state", move_state_name(migration.state)},
          {"started_at_ms", migration.started_at_ms},
          {"ended_at_ms", migration.ended_at_ms},
          {"note", migration.note}};
}

PlannedMove move_from_json(const json& object) {
  return {ShardId(integer_of<std::uint64_t>(object.at("shard"))), NodeId(object.at("from").get<std::string>()),
          NodeId(object.at("to").get<std::string>()), object.at("lead").get<bool>()};
}

MigrationRecord migration_from_json(const json& object) {
  MigrationRecord migration;
  migration.id = integer_of<std::uint64_t>(object.at("id"));
  migration.move = move_from_json(object.at("move"));
  migration.cause = choice_of(object.at("cause"), move_cause_from_name);
  migration.state = choice_of(object.at("state"), move_state_from_name);
  migration.started_at_ms = integer_of<std::int64_t>(object.at("started_at_ms"));
  migration.ended_at_ms = integer_of<std::int64_t>(object.at("ended_at_ms"));
  migration.note = object.at("note").get<std::string>();
  return migration;
}

NodeRecord node_from_json(const json& object) {
  NodeRecord node;
  node.id = NodeId(object.at("id").get<std::string>());
  node.address = object.at("address").get<std::string>();
  node.grpc_port = integer_of<std::uint16_t>(object.at("grpc_port"));
  node.rest_port = integer_of<std::uint16_t>(object.at("rest_port"));
  if (!object.contains("uuid")) return node;  // format 1
  node.uuid = object.at("uuid").get<std::string>();
  node.raft_id = integer_of<std::uint64_t>(object.at("raft_id"));
  node.status = choice_of(object.at("status"), node_status_from_name);
  node.boot_epoch = integer_of<std::uint64_t>(object.at("boot_epoch"));
  node.boot_nonce = integer_of<std::uint64_t>(object.at("boot_nonce"));
  node.version = object.at("version").get<std::string>();
  if (object.contains("problem")) node.problem = object.at("problem").get<std::string>();
  if (object.contains("protocol")) node.protocol = integer_of<std::uint32_t>(object.at("protocol"));
  return node;
}

ShardPlacement placement_from_json(const json& object) {
  ShardPlacement placement;
  placement.shard = ShardId(integer_of<std::uint64_t>(object.at("shard")));
  placement.collection = object.at("collection").get<std::string>();
  placement.term = integer_of<std::uint64_t>(object.at("term"));
  placement.isr_version = integer_of<std::uint64_t>(object.at("isr_version"));
  placement.primary = NodeId(object.at("primary").get<std::string>());
  for (const auto& item : array_at(object, "copies")) {
    auto copy = copy_from_json(item);
    if (placement.copy_on(copy.node) != nullptr) {
      throw Damage(fmt::format("shard {} has two copies on '{}'", placement.shard.value(), copy.node.value()));
    }
    placement.copies.push_back(std::move(copy));
  }
  return placement;
}

Result<CollectionRecord> collection_from_json(const json& object) {
  CollectionRecord record;
  ASSIGN_OR_RETURN(record.config, parse_collection_config(object.at("config")));
  if (record.config.sharding.replication_factor == 0 || record.config.sharding.min_in_sync == 0) {
    throw Damage(fmt::format("the copies of collection '{}' are not said", record.config.name));
  }
  record.created_at_ms = integer_of<std::int64_t>(object.at("created_at_ms"));
  record.ring_version = integer_of<std::uint32_t>(object.at("ring_version"));
  if (record.ring_version != HashRing::kVersion) {
    return Error{ErrorType::kInternal, fmt::format("collection '{}' uses ring version {}, this build knows {}",
                                                   record.config.name, record.ring_version, HashRing::kVersion)};
  }
  for (const auto& shard : array_at(object, "shards")) record.shards.emplace_back(integer_of<std::uint64_t>(shard));
  if (record.shards.size() != record.config.sharding.shard_count || record.shards.empty()) {
    return Error{ErrorType::kInternal,
                 fmt::format("collection '{}' has {} shards, its configuration says {}", record.config.name,
                             record.shards.size(), record.config.sharding.shard_count)};
  }
  record.ring = make_shard_ring(record.config.sharding);
  return record;
}

json head_to_json(const ClusterMetadata& metadata) {
  json nodes = json::array();
  for (const auto& [id, node] : metadata.nodes) nodes.push_back(to_json(node));
  json object{{"format", kMetadataFormat},
              {"epoch", metadata.epoch},
              {"next_shard_id", metadata.next_shard_id},
              {"next_copy_id", metadata.next_copy_id},
              {"cluster_id", metadata.cluster_id},
              {"expected_nodes", metadata.expected_nodes},
              {"formed", metadata.formed},
              {"nodes", std::move(nodes)}};
  if (metadata.protocol != kFirstProtocol) object["protocol"] = metadata.protocol;
  // A cluster that has never moved anything is written as before there were moves.
  if (metadata.next_migration_id == 1) return object;
  object["next_migration_id"] = metadata.next_migration_id;
  auto& migrations = object["migrations"] = json::array();
  for (const auto& [id, migration] : metadata.migrations) migrations.push_back(to_json(migration));
  return object;
}

Result<void> check_protocol(std::uint32_t spoken) {
  if (spoken >= kFirstProtocol && spoken <= known_protocol()) return {};
  return Error{
      ErrorType::kInternal,
      fmt::format("the cluster speaks protocol {}, this build knows {}: start the version that ran here last, or "
                  "a newer one",
                  spoken, known_protocol())};
}

Result<void> read_head(const json& object, ClusterMetadata& metadata) {
  metadata.epoch = integer_of<std::uint64_t>(object.at("epoch"));
  metadata.next_shard_id = integer_of<std::uint64_t>(object.at("next_shard_id"));
  for (const auto& item : array_at(object, "nodes")) {
    auto node = node_from_json(item);
    metadata.nodes.emplace(node.id, node);
  }
  if (object.contains("protocol")) {
    metadata.protocol = integer_of<std::uint32_t>(object.at("protocol"));
    RETURN_IF_ERROR(check_protocol(metadata.protocol));
  }
  if (integer_of<int>(object.at("format")) < kMetadataFormat) return {};
  metadata.next_copy_id = integer_of<std::uint64_t>(object.at("next_copy_id"));
  metadata.cluster_id = object.at("cluster_id").get<std::string>();
  metadata.expected_nodes = integer_of<std::uint32_t>(object.at("expected_nodes"));
  metadata.formed = object.at("formed").get<bool>();
  if (!object.contains("next_migration_id")) return {};
  metadata.next_migration_id = integer_of<std::uint64_t>(object.at("next_migration_id"));
  for (const auto& item : array_at(object, "migrations")) {
    auto migration = migration_from_json(item);
    metadata.migrations.emplace(migration.id, std::move(migration));
  }
  return {};
}

void add_placement(ClusterMetadata& metadata, ShardPlacement placement) {
  const auto* collection = metadata.find(placement.collection);
  if (collection == nullptr) {
    throw Damage(fmt::format("shard {} belongs to no collection", placement.shard.value()));
  }
  placement.min_in_sync = collection->config.sharding.min_in_sync;
  const auto shard = placement.shard;
  metadata.placements.emplace(shard, std::move(placement));
}

void check_shards(const ClusterMetadata& metadata) {
  for (const auto& [name, record] : metadata.collections) {
    for (const auto& shard : record.shards) {
      const auto found = metadata.placements.find(shard);
      if (found == metadata.placements.end() || found->second.collection != name) {
        throw Damage(fmt::format("shard {} of collection '{}' is placed nowhere", shard.value(), name));
      }
    }
  }
}

}  // namespace vectorizer::cluster
