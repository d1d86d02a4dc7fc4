#include <fmt/format.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

/// Thrown and caught in this file only, beside what nlohmann throws.
struct Damage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A number that Integer holds; get() would cut off what is too large, and is undefined for most fractions.
template <typename Integer>
Integer integer_of(const json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
  }
  throw Damage(fmt::format("{} is out of place", value.is_structured() ? value.type_name() : value.dump()));
}

/// Of anything but an array nlohmann would make an array: none of null, one item of a number.
const json& array_at(const json& object, const char* key) {
  const json& array = object.at(key);
  if (!array.is_array()) throw Damage(fmt::format("'{}' is no array", key));
  return array;
}

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

ShardPlacement placement_from_json(const json& object) {
  ShardPlacement placement;
  placement.shard = ShardId(integer_of<std::uint64_t>(object.at("shard")));
  placement.collection = object.at("collection").get<std::string>();
  placement.term = integer_of<std::uint64_t>(object.at("term"));
  placement.isr_version = integer_of<std::uint64_t>(object.at("isr_version"));
  placement.primary = NodeId(object.at("primary").get<std::string>());
  placement.replicas = nodes_from_json(array_at(object, "replicas"));
  placement.in_sync = nodes_from_json(array_at(object, "in_sync"));
  return placement;
}

Result<ClusterMetadata> metadata_from_json(const json& object) {
  if (integer_of<int>(object.at("format")) != kFormat) {
    return Error{ErrorType::kInternal, fmt::format("cluster metadata has format {}, this build knows {}",
                                                   object.at("format").dump(), kFormat)};
  }
  ClusterMetadata metadata;
  metadata.epoch = integer_of<std::uint64_t>(object.at("epoch"));
  metadata.next_shard_id = integer_of<std::uint64_t>(object.at("next_shard_id"));
  for (const auto& item : array_at(object, "nodes")) {
    NodeRecord node{NodeId(item.at("id").get<std::string>()), item.at("address").get<std::string>(),
                    integer_of<std::uint16_t>(item.at("grpc_port")), integer_of<std::uint16_t>(item.at("rest_port"))};
    metadata.nodes.emplace(node.id, node);
  }
  for (const auto& item : array_at(object, "collections")) {
    ASSIGN_OR_RETURN(auto record, collection_from_json(item));
    auto name = record.config.name;
    metadata.collections.emplace(std::move(name), std::move(record));
  }
  for (const auto& item : array_at(object, "placements")) {
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
  } catch (const Damage& problem) {
    return Error{ErrorType::kInternal, fmt::format("cluster metadata is damaged: {}", problem.what())};
  }
}

std::string metadata_digest(const ClusterMetadata& metadata) {
  const auto bytes = encode_metadata(metadata);
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace vectorizer::cluster
