#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "json_reading.hpp"
#include "metadata_json.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

constexpr int kFormatOfSingleNodes = 1;

bool lists(const json& nodes, const std::string& node) {
  return std::any_of(nodes.begin(), nodes.end(), [&](const json& item) { return item == node; });
}

/// Format 1 knew copies by their node only: they get ids in the order of the file.
json upgraded_placement(const json& old, std::uint64_t& next_copy_id) {
  const auto& in_sync = array_at(old, "in_sync");
  json copies = json::array();
  for (const auto& node : array_at(old, "replicas")) {
    const auto name = node.get<std::string>();
    const auto role = lists(in_sync, name) ? CopyRole::kInSync
                      : in_sync.empty()    ? CopyRole::kInit
                                           : CopyRole::kRecovering;
    copies.push_back({{"id", next_copy_id++}, {"node", name}, {"role", copy_role_name(role)}, {"node_uuid", ""}});
  }
  json placement = old;
  placement["copies"] = std::move(copies);
  return placement;
}

Result<void> read_collections(const json& object, ClusterMetadata& metadata) {
  for (const auto& item : array_at(object, "collections")) {
    ASSIGN_OR_RETURN(auto record, collection_from_json(item));
    auto name = record.config.name;
    metadata.collections.emplace(std::move(name), std::move(record));
  }
  return {};
}

Result<ClusterMetadata> metadata_from_json(const json& object) {
  const auto format = integer_of<int>(object.at("format"));
  if (format != kMetadataFormat && format != kFormatOfSingleNodes) {
    return Error{ErrorType::kInternal, fmt::format("cluster metadata has format {}, this build knows {} and {}", format,
                                                   kFormatOfSingleNodes, kMetadataFormat)};
  }
  ClusterMetadata metadata;
  RETURN_IF_ERROR(read_head(object, metadata));
  RETURN_IF_ERROR(read_collections(object, metadata));
  for (const auto& item : array_at(object, "placements")) {
    add_placement(metadata, placement_from_json(
                                format == kMetadataFormat ? item : upgraded_placement(item, metadata.next_copy_id)));
  }
  check_shards(metadata);
  return metadata;
}

}  // namespace

std::string encode_metadata(const ClusterMetadata& metadata) {
  json object = head_to_json(metadata);
  auto& collections = object["collections"] = json::array();
  auto& placements = object["placements"] = json::array();
  for (const auto& [name, record] : metadata.collections) collections.push_back(to_json(record));
  for (const auto& [shard, placement] : metadata.placements) placements.push_back(to_json(placement));
  return object.dump();
}

Result<ClusterMetadata> decode_metadata(std::string_view bytes) {
  return reading("cluster metadata", [&] { return metadata_from_json(json::parse(bytes)); });
}

std::string metadata_digest(const ClusterMetadata& metadata) {
  const auto bytes = encode_metadata(metadata);
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace vectorizer::cluster
