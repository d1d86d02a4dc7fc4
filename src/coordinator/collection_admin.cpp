#include "vectorizer/coordinator/collection_admin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "shard_reports.hpp"
#include "vectorizer/coordinator/coordinator.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;

/// Points on the ring of one collection: bounds its memory and the time to make it.
constexpr std::uint64_t kMaxRingPoints = 1'000'000;

Error not_found(const std::string& name) {
  return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", name)}.with("name", name);
}

class CollectionAdminImpl final : public CollectionAdmin {
 public:
  CollectionAdminImpl(cluster::MetadataLog& metadata, peer::PeerDirectory& peers, std::uint32_t max_collections)
      : metadata_(metadata), peers_(peers), max_collections_(max_collections) {}

  Result<CollectionInfo> create(const CollectionConfig& config) override;
  Result<CollectionInfo> alter(const std::string& name, const nlohmann::json& patch) override;
  Result<void> drop(const std::string& name) override;
  Result<CollectionInfo> get(const std::string& name) const override;
  std::vector<CollectionInfo> list() const override;

 private:
  static CollectionInfo describe(const ClusterMetadata& metadata, const cluster::CollectionRecord& record,
                                 const std::map<ShardId, peer::ShardReport>& reports);

  cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  const std::uint32_t max_collections_;
};

Result<CollectionInfo> CollectionAdminImpl::create(const CollectionConfig& config) {
  const auto now = metadata_.current();
  if (now->collections.size() >= max_collections_ && now->find(config.name) == nullptr) {
    return invalid_field("name", fmt::format("limits.max_collections ({}) is reached", max_collections_));
  }
  const auto points = std::uint64_t{config.sharding.shard_count} * config.sharding.virtual_nodes_per_shard;
  if (points > kMaxRingPoints) {
    return invalid_field(
        "sharding.virtual_nodes_per_shard",
        fmt::format("shard_count × virtual_nodes_per_shard is {}, at most {}", points, kMaxRingPoints));
  }
  const auto created_at =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::CreateCollection{config, created_at}));
  (void)decided;
  return get(config.name);
}

Result<CollectionInfo> CollectionAdminImpl::alter(const std::string& name, const nlohmann::json& patch) {
  const auto now = metadata_.current();
  const auto* record = now->find(name);
  if (record == nullptr) return not_found(name);
  ASSIGN_OR_RETURN(auto wanted, apply_collection_patch(record->config, patch));
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::AlterCollection{record->config, std::move(wanted)}));
  (void)decided;
  return get(name);
}

Result<void> CollectionAdminImpl::drop(const std::string& name) {
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::DropCollection{name}));
  (void)decided;
  return {};
}

Result<CollectionInfo> CollectionAdminImpl::get(const std::string& name) const {
  const auto now = metadata_.current();
  const auto* record = now->find(name);
  if (record == nullptr) return not_found(name);
  return describe(*now, *record, primary_reports(*now, peers_, record->shards));
}

std::vector<CollectionInfo> CollectionAdminImpl::list() const {
  const auto now = metadata_.current();
  const auto reports = primary_reports(*now, peers_);
  std::vector<CollectionInfo> all;
  all.reserve(now->collections.size());
  for (const auto& [name, record] : now->collections) all.push_back(describe(*now, record, reports));
  return all;
}

CollectionInfo CollectionAdminImpl::describe(const ClusterMetadata& metadata, const cluster::CollectionRecord& record,
                                             const std::map<ShardId, peer::ShardReport>& reports) {
  CollectionInfo info;
  info.config = record.config;
  info.created_at_ms = record.created_at_ms;
  info.shards_total = static_cast<std::uint32_t>(record.shards.size());
  std::set<std::string> paths;
  for (const auto& shard : record.shards) {
    const auto& placement = metadata.placements.at(shard);
    if (placement.in_sync_count() < record.config.sharding.replication_factor) ++info.shards_under_replicated;
    const auto report = reports.find(shard);
    if (report == reports.end()) continue;
    ++info.shards_active;
    info.vector_count += report->second.vectors;
    info.indexed_vector_count += std::min(report->second.indexed, report->second.vectors);
    paths.insert(report->second.indexed_paths.begin(), report->second.indexed_paths.end());
  }
  info.indexed_paths.assign(paths.begin(), paths.end());
  if (info.shards_active < info.shards_total) {
    info.status = "red";
  } else if (info.shards_under_replicated > 0 || info.indexed_vector_count < info.vector_count) {
    info.status = "yellow";
  } else {
    info.status = "green";
  }
  return info;
}

}  // namespace

std::unique_ptr<CollectionAdmin> make_collection_admin(cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                                                       std::uint32_t max_collections) {
  return std::make_unique<CollectionAdminImpl>(metadata, peers, max_collections);
}

}  // namespace vectorizer::coordinator
