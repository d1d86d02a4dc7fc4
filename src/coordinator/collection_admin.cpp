#include "vectorizer/coordinator/collection_admin.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "shard_reports.hpp"
#include "vectorizer/base/clock.hpp"
#include "vectorizer/coordinator/coordinator.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;
using Clock = std::chrono::steady_clock;

/// Points on the ring of one collection: bounds its memory and the time to make it.
constexpr std::uint64_t kMaxRingPoints = 1'000'000;
constexpr std::uint32_t kMaxDefaultShards = 1024;
/// For the primaries of a new collection, and after that for its other copies.
constexpr std::chrono::seconds kOpenWait{10};
constexpr std::chrono::seconds kCompleteWait{3};
constexpr std::chrono::milliseconds kLookAgain{10};
constexpr int kAlterAttempts = 3;

Error not_found(const std::string& name) {
  return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", name)}.with("name", name);
}

/// Two for each node of a cluster: when nodes come, there is something to move. A single node has one.
std::uint32_t default_shard_count(const ClusterMetadata& metadata) {
  if (metadata.cluster_id.empty()) return 1;
  const auto members = std::count_if(metadata.nodes.begin(), metadata.nodes.end(), [](const auto& item) {
    return item.second.status != cluster::NodeStatus::kRemoved;
  });
  return std::clamp(2 * static_cast<std::uint32_t>(members), 1U, kMaxDefaultShards);
}

class CollectionAdminImpl final : public CollectionAdmin {
 public:
  CollectionAdminImpl(CollectionAdminOptions options, cluster::MetadataLog& metadata, peer::PeerDirectory& peers)
      : options_(std::move(options)),
        metadata_(metadata),
        peers_(peers),
        calls_(options_.self, options_.call_threads) {}

  Result<CollectionInfo> create(const CollectionConfig& config) override;
  Result<CollectionInfo> alter(const std::string& name, const nlohmann::json& patch) override;
  Result<void> drop(const std::string& name) override;
  Result<CollectionInfo> get(const std::string& name) const override;
  std::vector<CollectionInfo> list() const override;

 private:
  using Metadata = std::shared_ptr<const ClusterMetadata>;

  Result<Metadata> metadata_with(const std::string& name) const;
  Result<void> check_limits(const ClusterMetadata& metadata, const CollectionConfig& config) const;
  void wait_until_usable(const std::string& name) const;
  bool wait_for(const std::string& name, Clock::time_point until,
                const std::function<bool(const ClusterMetadata&, const cluster::CollectionRecord&)>& holds) const;
  std::set<ShardId> serving(const ClusterMetadata& metadata, const std::set<ShardId>& shards) const;
  static CollectionInfo describe(const ClusterMetadata& metadata, const cluster::CollectionRecord& record,
                                 const ShardReports& reports);

  const CollectionAdminOptions options_;
  cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  mutable NodeCalls calls_;
};

/// On a node that lags a collection may exist all the same: it is not found only after this node has caught up.
Result<CollectionAdminImpl::Metadata> CollectionAdminImpl::metadata_with(const std::string& name) const {
  auto now = metadata_.current();
  if (now->find(name) != nullptr) return now;
  RETURN_IF_ERROR(metadata_.catch_up());
  now = metadata_.current();
  if (now->find(name) == nullptr) return not_found(name);
  return now;
}

Result<void> CollectionAdminImpl::check_limits(const ClusterMetadata& metadata, const CollectionConfig& config) const {
  if (metadata.collections.size() >= options_.max_collections && metadata.find(config.name) == nullptr) {
    return Error{ErrorType::kConflict,
                 fmt::format("there are {} collections already, the limit", metadata.collections.size())}
        .with("limit", options_.max_collections);
  }
  const auto points = std::uint64_t{config.sharding.shard_count} * config.sharding.virtual_nodes_per_shard;
  if (points <= kMaxRingPoints) return {};
  return invalid_field("sharding.virtual_nodes_per_shard",
                       fmt::format("shard_count × virtual_nodes_per_shard is {}, at most {}", points, kMaxRingPoints));
}

Result<CollectionInfo> CollectionAdminImpl::create(const CollectionConfig& config) {
  // Where nobody leads, the proposal says so at once, and why.
  if (!metadata_.leader().value().empty()) RETURN_IF_ERROR(metadata_.catch_up());
  const auto now = metadata_.current();
  auto wanted = config;
  if (wanted.sharding.shard_count == 0) wanted.sharding.shard_count = default_shard_count(*now);
  RETURN_IF_ERROR(check_limits(*now, wanted));
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::CreateCollection{wanted, wall_ms()}));
  if (!decided->cluster_id.empty()) wait_until_usable(wanted.name);
  return get(wanted.name);
}

/// A new collection is usable when the primary of every shard takes writes; an acknowledged write outlives a node once
/// the other copies are in sync as well.
void CollectionAdminImpl::wait_until_usable(const std::string& name) const {
  const auto begin = Clock::now();
  std::set<ShardId> waiting;
  if (const auto now = metadata_.current(); const auto* record = now->find(name)) {
    waiting.insert(record->shards.begin(), record->shards.end());
  }
  const bool open = wait_for(name, begin + kOpenWait, [&](const ClusterMetadata& now, const auto&) {
    std::erase_if(waiting, [&](const ShardId& shard) { return !now.placements.contains(shard); });
    for (const auto& shard : serving(now, waiting)) waiting.erase(shard);
    return waiting.empty();
  });
  if (!open) {
    spdlog::warn("collection {}: {} shards are not open after {} s", name, waiting.size(), kOpenWait.count());
    return;
  }
  wait_for(name, Clock::now() + kCompleteWait, [](const ClusterMetadata& now, const auto& record) {
    return std::all_of(record.shards.begin(), record.shards.end(), [&](const ShardId& shard) {
      const auto& placement = now.placements.at(shard);
      return placement.in_sync_count() == placement.copies.size();
    });
  });
}

/// False when the time is over, or the collection gone.
bool CollectionAdminImpl::wait_for(
    const std::string& name, Clock::time_point until,
    const std::function<bool(const ClusterMetadata&, const cluster::CollectionRecord&)>& holds) const {
  for (;;) {
    const auto now = metadata_.current();
    const auto* record = now->find(name);
    if (record == nullptr) return false;
    if (holds(*now, *record)) return true;
    if (Clock::now() + kLookAgain >= until) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
}

/// Those of `shards` whose primary answers as such.
std::set<ShardId> CollectionAdminImpl::serving(const ClusterMetadata& metadata, const std::set<ShardId>& shards) const {
  std::map<NodeId, std::vector<ShardId>> led;
  for (const auto& shard : shards) {
    const auto placement = metadata.placements.find(shard);
    if (placement == metadata.placements.end()) continue;  // dropped meanwhile, and perhaps created again
    if (placement->second.open()) led[placement->second.primary].push_back(shard);
  }
  std::vector<NodeId> nodes;
  for (const auto& [node, of_node] : led) nodes.push_back(node);
  using Answer = std::vector<ShardId>;
  const auto answers =
      calls_.ask<Answer>(nodes, kNodeWait, [this, led = std::move(led)](const NodeId& node) -> Result<Answer> {
        auto* peer = peers_.find(node);
        Answer open;
        if (peer == nullptr) return open;
        for (const auto& counted : peer->count(led.at(node), std::nullopt, ReadFrom())) {
          if (counted.answer) open.push_back(counted.shard);
        }
        return open;
      });
  std::set<ShardId> serving;
  for (const auto& [node, answer] : answers) {
    if (answer) serving.insert(answer->begin(), answer->end());
  }
  return serving;
}

Result<CollectionInfo> CollectionAdminImpl::alter(const std::string& name, const nlohmann::json& patch) {
  for (int attempt = 1;; ++attempt) {
    ASSIGN_OR_RETURN(const auto now, metadata_with(name));
    const auto& config = now->find(name)->config;
    ASSIGN_OR_RETURN(auto wanted, apply_collection_patch(config, patch));
    const auto decided = metadata_.propose(cluster::AlterCollection{config, std::move(wanted)});
    if (decided) return get(name);
    // Somebody else changed it, perhaps long ago, and this node has not heard of it.
    if (decided.error().type != ErrorType::kConflict || attempt == kAlterAttempts) return decided.error();
    RETURN_IF_ERROR(metadata_.catch_up());
  }
}

Result<void> CollectionAdminImpl::drop(const std::string& name) {
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::DropCollection{name}));
  (void)decided;
  return {};
}

Result<CollectionInfo> CollectionAdminImpl::get(const std::string& name) const {
  ASSIGN_OR_RETURN(const auto now, metadata_with(name));
  const auto* record = now->find(name);
  return describe(*now, *record, ShardReports::read(*now, peers_, calls_, record->shards));
}

std::vector<CollectionInfo> CollectionAdminImpl::list() const {
  const auto now = metadata_.current();
  const auto reports = ShardReports::read(*now, peers_, calls_);
  std::vector<CollectionInfo> all;
  all.reserve(now->collections.size());
  for (const auto& [name, record] : now->collections) all.push_back(describe(*now, record, reports));
  return all;
}

CollectionInfo CollectionAdminImpl::describe(const ClusterMetadata& metadata, const cluster::CollectionRecord& record,
                                             const ShardReports& reports) {
  CollectionInfo info;
  info.config = record.config;
  info.created_at_ms = record.created_at_ms;
  info.shards_total = static_cast<std::uint32_t>(record.shards.size());
  std::set<std::string> paths;
  for (const auto& shard : record.shards) {
    const auto& placement = metadata.placements.at(shard);
    if (live_in_sync(metadata, placement) < record.config.sharding.replication_factor) ++info.shards_under_replicated;
    if (led(metadata, placement) && reports.primary(placement) != nullptr) ++info.shards_active;
    const auto* report = reports.best(placement);
    if (report == nullptr) continue;
    info.vector_count += report->vectors;
    info.indexed_vector_count += std::min(report->indexed, report->vectors);
    paths.insert(report->indexed_paths.begin(), report->indexed_paths.end());
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

std::unique_ptr<CollectionAdmin> make_collection_admin(CollectionAdminOptions options, cluster::MetadataLog& metadata,
                                                       peer::PeerDirectory& peers) {
  return std::make_unique<CollectionAdminImpl>(std::move(options), metadata, peers);
}

}  // namespace vectorizer::coordinator
