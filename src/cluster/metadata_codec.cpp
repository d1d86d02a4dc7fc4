#include <fmt/format.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

json nodes_to_json(const std::vector<NodeId>& nodes) {
  json out = json::array();
  for (const auto& node : nodes) out.push_back(node.value());
  return out;
}

std::vector<NodeId> nodes_from_json(const json& array) {
  std::vector<NodeId> nodes;
  for (const auto& node : array) nodes.emplace_back(node.get<std::string>());
  return nodes;
}

json to_json(const NodeRecord& node) {
  return {
      {"id", node.id.value()}, {"address", node.address}, {"grpc_port", node.grpc_port}, {"rest_port", node.rest_port}};
}

json to_json(const ShardPlacement& placement) {
  return {{"shard", placement.shard.value()},
          {"collection", placement.collection},
          {"term", placement.term},
          {"isr_version", placement.isr_version},
          {"primary", placement.primary.value()},
          {"replicas", nodes_to_json(placement.replicas)},
          {"in_sync", nodes_to_json(placement.in_sync)}};
}

json to_json(const CollectionRecord& record) {
  json shards = json::array();
  for (const auto& shard : record.shards) shards.push_back(shard.value());
  return {{"config", collection_config_to_json(record.config)},
          {"created_at_ms", record.created_at_ms},
          {"ring_version", record.ring_version},
          {"shards", std::move(shards)}};
}

Result<CollectionRecord> collection_from_json(const json& object) {
  CollectionRecord record;
  ASSIGN_OR_RETURN(record.config, parse_collection_config(object.at("config")));
  record.created_at_ms = object.at("created_at_ms").get<std::int64_t>();
  record.ring_version = object.at("ring_version").get<std::uint32_t>();
  if (record.ring_version != HashRing::kVersion) {
    return Error{ErrorType::kInternal, fmt::format("collection '{}' uses ring version {}, this build knows {}",
                                                   record.config.name, record.ring_version, HashRing::kVersion)};
  }
  for (const auto& shard : object.at("shards")) record.shards.emplace_back(shard.get<std::uint64_t>());
  if (record.shards.size() != record.config.sharding.shard_count || record.shards.empty()) {
    return Error{ErrorType::kInternal,
                 fmt::format("collection '{}' has {} shards, its configuration says {}", record.config.name,
                             record.shards.size(), record.config.sharding.shard_count)};
  }
  record.ring = make_shard_ring(record.config.sharding);
  return record;
}

ShardPlacement placement_from_json(const json& object) {
  ShardPlacement placement;
  placement.shard = ShardId(object.at("shard").get<std::uint64_t>());
  placement.collection = object.at("collection").get<std::string>();
  placement.term = object.at("term").get<std::uint64_t>();
  placement.isr_version = object.at("isr_version").get<std::uint64_t>();
  placement.primary = NodeId(object.at("primary").get<std::string>());
  placement.replicas = nodes_from_json(object.at("replicas"));
  placement.in_sync = nodes_from_json(object.at("in_sync"));
  return placement;
}

Result<ClusterMetadata> metadata_from_json(const json& object) {
  if (object.at("format").get<int>() != kFormat) {
    return Error{ErrorType::kInternal, fmt::format("cluster metadata has format {}, this build knows {}",
                                                   object.at("format").dump(), kFormat)};
  }
  ClusterMetadata metadata;
  metadata.epoch = object.at("epoch").get<std::uint64_t>();
  metadata.next_shard_id = object.at("next_shard_id").get<std::uint64_t>();
  for (const auto& item : object.at("nodes")) {
    NodeRecord node{NodeId(item.at("id").get<std::string>()), item.at("address").get<std::string>(),
                    item.at("grpc_port").get<std::uint16_t>(), item.at("rest_port").get<std::uint16_t>()};
    metadata.nodes.emplace(node.id, node);
  }
  for (const auto& item : object.at("collections")) {
    ASSIGN_OR_RETURN(auto record, collection_from_json(item));
    auto name = record.config.name;
    metadata.collections.emplace(std::move(name), std::move(record));
  }
  for (const auto& item : object.at("placements")) {
    auto placement = placement_from_json(item);
    const auto shard = placement.shard;
    metadata.placements.emplace(shard, std::move(placement));
  }
  return metadata;
}

}  // namespace

std::string encode_metadata(const ClusterMetadata& metadata) {
  json nodes = json::array();
  json collections = json::array();
  json placements = json::array();
  for (const auto& [id, node] : metadata.nodes) nodes.push_back(to_json(node));
  for (const auto& [name, record] : metadata.collections) collections.push_back(to_json(record));
  for (const auto& [shard, placement] : metadata.placements) placements.push_back(to_json(placement));
  return json{{"format", kFormat},
              {"epoch", metadata.epoch},
              {"next_shard_id", metadata.next_shard_id},
              {"nodes", std::move(nodes)},
              {"collections", std::move(collections)},
              {"placements", std::move(placements)}}
      .dump();
}

Result<ClusterMetadata> decode_metadata(std::string_view bytes) {
  try {
    return metadata_from_json(json::parse(bytes));
  } catch (const json::exception& problem) {
    return Error{ErrorType::kInternal, fmt::format("cluster metadata is damaged: {}", problem.what())};
  }
}

std::string metadata_digest(const ClusterMetadata& metadata) {
  const auto bytes = encode_metadata(metadata);
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace vectorizer::cluster
