#include "vectorizer/cluster/metadata_records.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "json_reading.hpp"
#include "metadata_json.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

constexpr std::string_view kHead = "head";
constexpr std::string_view kCollection = "collection/";

std::string key_of(const std::string& collection) {
  return std::string(kCollection) + collection;
}

std::string encode_head(const ClusterMetadata& metadata) {
  json object = head_to_json(metadata);
  // So that a lost record is noticed.
  object["collection_count"] = metadata.collections.size();
  return object.dump();
}

std::string encode_collection(const ClusterMetadata& metadata, const CollectionRecord& record) {
  json placements = json::array();
  for (const auto& shard : record.shards) placements.push_back(to_json(metadata.placements.at(shard)));
  return json{{"record", to_json(record)}, {"placements", std::move(placements)}}.dump();
}

bool same(const ClusterMetadata& before, const ClusterMetadata& next, const CollectionRecord& record) {
  const auto* old = before.find(record.config.name);
  if (old == nullptr || old->shards != record.shards || !(old->config == record.config) ||
      old->created_at_ms != record.created_at_ms) {
    return false;
  }
  for (const auto& shard : record.shards) {
    if (!(before.placements.at(shard) == next.placements.at(shard))) return false;
  }
  return true;
}

void read_format(const json& head) {
  const auto format = integer_of<int>(head.at("format"));
  if (format != kMetadataFormat) {
    throw Damage(fmt::format("its format is {}, this build knows {}", format, kMetadataFormat));
  }
}

Result<void> read_collection(std::string_view key, const json& object, ClusterMetadata& metadata) {
  ASSIGN_OR_RETURN(auto record, collection_from_json(object.at("record")));
  if (key_of(record.config.name) != key) throw Damage(fmt::format("'{}' holds '{}'", key, record.config.name));
  auto name = record.config.name;
  metadata.collections.emplace(std::move(name), std::move(record));
  for (const auto& item : array_at(object, "placements")) add_placement(metadata, placement_from_json(item));
  return {};
}

Result<ClusterMetadata> metadata_from(const std::vector<std::pair<std::string, std::string>>& records) {
  ClusterMetadata metadata;
  std::optional<std::size_t> expected;
  for (const auto& [key, value] : records) {
    const auto object = json::parse(value);
    if (key == kHead) {
      read_format(object);
      RETURN_IF_ERROR(read_head(object, metadata));
      expected = integer_of<std::size_t>(object.at("collection_count"));
    } else if (key.starts_with(kCollection)) {
      RETURN_IF_ERROR(read_collection(key, object, metadata));
    } else {
      throw Damage(fmt::format("'{}' is not known", key));
    }
  }
  if (!expected) throw Damage("it has no head");
  if (*expected != metadata.collections.size()) {
    throw Damage(fmt::format("{} of {} collections are there", metadata.collections.size(), *expected));
  }
  check_shards(metadata);
  return metadata;
}

}  // namespace

std::vector<RecordChange> changed_records(const ClusterMetadata& before, const ClusterMetadata& next) {
  std::vector<RecordChange> changes;
  changes.push_back({std::string(kHead), encode_head(next)});
  for (const auto& [name, record] : next.collections) {
    if (!same(before, next, record)) changes.push_back({key_of(name), encode_collection(next, record)});
  }
  for (const auto& [name, record] : before.collections) {
    if (next.find(name) == nullptr) changes.push_back({key_of(name), std::nullopt});
  }
  return changes;
}

Result<ClusterMetadata> decode_records(const std::vector<std::pair<std::string, std::string>>& records) {
  return reading("cluster metadata", [&] { return metadata_from(records); });
}

}  // namespace vectorizer::cluster
