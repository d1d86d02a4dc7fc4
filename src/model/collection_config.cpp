#include "vectorizer/model/collection_config.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "json_fields.hpp"

namespace vectorizer {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxNameBytes = 255;

template <typename Enum>
Result<void> read_choice(const json& object, std::string_view parent, std::string_view member,
                         std::optional<Enum> (*from_name)(std::string_view), std::string_view choices, Enum& out) {
  const auto found = object.find(member);
  if (found == object.end()) return {};
  const auto value = found->is_string() ? from_name(found->get_ref<const std::string&>()) : std::nullopt;
  if (!value) {
    return invalid_field(join_field(parent, member), fmt::format("must be one of {}, not {}", choices, shown(*found)));
  }
  out = *value;
  return {};
}

Result<void> read_name(const json& body, std::string& out) {
  const auto found = body.find("name");
  if (found == body.end()) return {};
  if (!found->is_string() || !valid_collection_name(found->get_ref<const std::string&>())) {
    return invalid_field("name", fmt::format("must be 1 to {} of A-Z a-z 0-9 _ . - and not start with '.', not {}",
                                             kMaxNameBytes, shown(*found)));
  }
  out = found->get<std::string>();
  return {};
}

Result<void> read_hnsw(const json& body, HnswConfig& hnsw) {
  const auto found = body.find("hnsw");
  if (found == body.end()) return {};
  RETURN_IF_ERROR(check_members(*found, "hnsw", {"m", "ef_construction", "ef_search"}));
  RETURN_IF_ERROR(read_integer(*found, "hnsw", "m", 2, 128, hnsw.m));
  RETURN_IF_ERROR(read_integer(*found, "hnsw", "ef_construction", 4, 4096, hnsw.ef_construction));
  return read_integer(*found, "hnsw", "ef_search", 1, 10000, hnsw.ef_search);
}

Result<void> read_quantization(const json& body, CollectionConfig& config) {
  constexpr std::string_view kChoices = "none, int8";
  const auto found = body.find("quantization");
  if (found == body.end()) return {};
  if (found->is_string()) {
    return read_choice(body, "", "quantization", quantization_from_name, kChoices, config.quantization);
  }
  if (!found->is_object()) {
    return invalid_field("quantization",
                         fmt::format("must be an object or one of {}, not {}", kChoices, shown(*found)));
  }
  RETURN_IF_ERROR(check_members(*found, "quantization", {"type", "rescore"}));
  RETURN_IF_ERROR(read_choice(*found, "quantization", "type", quantization_from_name, kChoices, config.quantization));
  return read_boolean(*found, "quantization", "rescore", config.rescore);
}

Result<void> read_sharding(const json& body, ShardingConfig& sharding) {
  const auto found = body.find("sharding");
  if (found == body.end()) return {};
  constexpr std::string_view kField = "sharding";
  RETURN_IF_ERROR(check_members(
      *found, kField,
      {"shard_count", "virtual_nodes_per_shard", "replication_factor", "min_in_sync", "rebalance_threshold"}));
  RETURN_IF_ERROR(read_integer(*found, kField, "shard_count", 1, 1024, sharding.shard_count));
  RETURN_IF_ERROR(read_integer(*found, kField, "virtual_nodes_per_shard", 1, 10000, sharding.virtual_nodes_per_shard));
  RETURN_IF_ERROR(read_integer(*found, kField, "replication_factor", 1, 7, sharding.replication_factor));
  RETURN_IF_ERROR(read_integer(*found, kField, "min_in_sync", 1, 7, sharding.min_in_sync));
  RETURN_IF_ERROR(read_number(*found, kField, "rebalance_threshold", 0, 1, sharding.rebalance_threshold));
  if (sharding.replication_factor != 0 && sharding.min_in_sync > sharding.replication_factor) {
    // Name what the client sent: a patch may lower replication_factor alone.
    const bool sent = found->contains("min_in_sync");
    return invalid_field(sent ? "sharding.min_in_sync" : "sharding.replication_factor",
                         fmt::format("min_in_sync ({}) must not exceed replication_factor ({})", sharding.min_in_sync,
                                     sharding.replication_factor));
  }
  return {};
}

/// Lays the members of `body` over `base`.
Result<CollectionConfig> overlay(CollectionConfig config, const json& body) {
  RETURN_IF_ERROR(
      check_members(body, "", {"name", "dimension", "metric", "hnsw", "quantization", "storage", "sharding"}));
  RETURN_IF_ERROR(read_name(body, config.name));
  RETURN_IF_ERROR(read_integer(body, "", "dimension", 1, 65536, config.dimension));
  RETURN_IF_ERROR(read_choice(body, "", "metric", metric_from_name, "cosine, euclidean, dot", config.metric));
  RETURN_IF_ERROR(read_hnsw(body, config.hnsw));
  RETURN_IF_ERROR(read_quantization(body, config));
  RETURN_IF_ERROR(read_choice(body, "", "storage", vector_storage_from_name, "memory, mmap", config.storage));
  RETURN_IF_ERROR(read_sharding(body, config.sharding));
  return config;
}

}  // namespace

bool valid_collection_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name.front() == '.') return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-') return false;
  }
  return true;
}

Result<CollectionConfig> parse_collection_config(const json& body) {
  CollectionConfig unset;
  unset.sharding.shard_count = 0;
  unset.sharding.replication_factor = 0;
  unset.sharding.min_in_sync = 0;
  ASSIGN_OR_RETURN(CollectionConfig config, overlay(std::move(unset), body));
  if (config.name.empty()) return invalid_field("name", "is required");
  if (config.dimension == 0) return invalid_field("dimension", "is required");
  return config;
}

Result<CollectionConfig> apply_collection_patch(const CollectionConfig& current, const json& patch) {
  ASSIGN_OR_RETURN(CollectionConfig patched, overlay(current, patch));
  // The vectors on disk and the graph were made under these; a client that sends back what it read may name them.
  const std::array<std::pair<std::string_view, bool>, 8> fixed{{
      {"name", patched.name != current.name},
      {"dimension", patched.dimension != current.dimension},
      {"metric", patched.metric != current.metric},
      {"hnsw.m", patched.hnsw.m != current.hnsw.m},
      {"hnsw.ef_construction", patched.hnsw.ef_construction != current.hnsw.ef_construction},
      {"storage", patched.storage != current.storage},
      {"sharding.shard_count", patched.sharding.shard_count != current.sharding.shard_count},
      {"sharding.virtual_nodes_per_shard",
       patched.sharding.virtual_nodes_per_shard != current.sharding.virtual_nodes_per_shard},
  }};
  for (const auto& [field, changed] : fixed) {
    if (changed) return invalid_field(field, "cannot change after the collection was created");
  }
  return patched;
}

json collection_config_to_json(const CollectionConfig& config) {
  json object{
      {"name", config.name},
      {"dimension", config.dimension},
      {"metric", metric_name(config.metric)},
      {"hnsw",
       {{"m", config.hnsw.m}, {"ef_construction", config.hnsw.ef_construction}, {"ef_search", config.hnsw.ef_search}}},
      {"quantization", {{"type", quantization_name(config.quantization)}, {"rescore", config.rescore}}},
      {"storage", vector_storage_name(config.storage)},
      {"sharding",
       {{"virtual_nodes_per_shard", config.sharding.virtual_nodes_per_shard},
        {"rebalance_threshold", config.sharding.rebalance_threshold}}}};
  auto& sharding = object["sharding"];
  if (config.sharding.shard_count != 0) sharding["shard_count"] = config.sharding.shard_count;
  if (config.sharding.replication_factor != 0) sharding["replication_factor"] = config.sharding.replication_factor;
  if (config.sharding.min_in_sync != 0) sharding["min_in_sync"] = config.sharding.min_in_sync;
  return object;
}

}  // namespace vectorizer
