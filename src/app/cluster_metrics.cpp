#include "cluster_metrics.hpp"

#include <algorithm>
#include <limits>

namespace vectorizer::app {
namespace {

using cluster::ClusterMetadata;
using cluster::NodeStatus;

constexpr NodeStatus kStatuses[] = {NodeStatus::kJoining, NodeStatus::kActive, NodeStatus::kUnhealthy,
                                    NodeStatus::kDraining, NodeStatus::kRemoved};

constexpr cluster::MoveState kMoveStates[] = {cluster::MoveState::kRunning, cluster::MoveState::kCancelling,
                                              cluster::MoveState::kDone, cluster::MoveState::kFailed,
                                              cluster::MoveState::kCancelled};

std::size_t live_in_sync(const ClusterMetadata& metadata, const cluster::ShardPlacement& shard) {
  return static_cast<std::size_t>(std::count_if(shard.copies.begin(), shard.copies.end(), [&](const auto& copy) {
    return copy.role == cluster::CopyRole::kInSync && metadata.live(copy);
  }));
}

}  // namespace

ClusterMetrics::ClusterMetrics(MetricsRegistry& registry, const cluster::MetadataLog& metadata,
                               const control::Membership& membership)
    : metadata_(metadata),
      membership_(membership),
      epoch_(registry.gauge("vectorizer_cluster_metadata_epoch", "Version of the metadata that this node has.")),
      formed_(registry.gauge("vectorizer_cluster_formed", "1 once all expected nodes have joined.")),
      lease_valid_(registry.gauge("vectorizer_cluster_lease_valid",
                                  "1 while this node may acknowledge writes and answer as a primary.")),
      servers_hash_(registry.gauge("vectorizer_cluster_servers_hash",
                                   "Hash of the configured list of servers, 48 bits of it: equal lists, equal hash.")),
      servers_differ_(registry.gauge("vectorizer_cluster_servers_differ",
                                     "Nodes whose configured list of servers is not that of this node.")),
      shards_(registry.gauge("vectorizer_cluster_shards", "Shards of all collections.")),
      without_primary_(registry.gauge("vectorizer_cluster_shards_without_primary", "Shards that nobody alive leads.")),
      under_replicated_(registry.gauge("vectorizer_cluster_under_replicated_shards",
                                       "Shards with fewer live copies in sync than their collection wants.")),
      in_sync_(registry.gauges("vectorizer_cluster_in_sync_copies",
                               "Live copies in sync of the shard that has the fewest, by collection.")) {
  for (const auto status : kStatuses) {
    nodes_[status] = &registry.gauge("vectorizer_cluster_nodes", "Members, by status.",
                                     {{"status", std::string(cluster::node_status_name(status))}});
  }
  for (const auto state : kMoveStates) {
    migrations_[state] = &registry.gauge("vectorizer_cluster_migrations",
                                         "Moves of shards, by state: all that run, and the last 50 that have ended.",
                                         {{"state", std::string(cluster::move_state_name(state))}});
  }
}

void ClusterMetrics::refresh() {
  const auto metadata = metadata_.current();
  const std::lock_guard lock(mutex_);
  epoch_.Set(static_cast<double>(metadata->epoch));
  formed_.Set(metadata->formed ? 1 : 0);
  lease_valid_.Set(membership_.lease_valid() ? 1 : 0);
  refresh_nodes(*metadata);
  refresh_shards(*metadata);
}

void ClusterMetrics::refresh_nodes(const ClusterMetadata& metadata) {
  std::map<NodeStatus, double> counts;
  for (const auto& [id, node] : metadata.nodes) ++counts[node.status];
  for (const auto& [status, gauge] : nodes_) gauge->Set(counts[status]);
  std::map<cluster::MoveState, double> moves;
  for (const auto& [id, migration] : metadata.migrations) ++moves[migration.state];
  for (const auto& [state, gauge] : migrations_) gauge->Set(moves[state]);

  const auto own = membership_.servers_hash();
  servers_hash_.Set(static_cast<double>(own >> 16U));  // what a double holds exactly
  double differ = 0;
  for (const auto& [id, contact] : membership_.contacts()) {
    const auto node = metadata.nodes.find(id);
    const bool member = node != metadata.nodes.end() && node->second.status != NodeStatus::kRemoved;
    if (member && contact.servers_hash && *contact.servers_hash != own) ++differ;
  }
  servers_differ_.Set(differ);
}

void ClusterMetrics::refresh_shards(const ClusterMetadata& metadata) {
  double without_primary = 0, under_replicated = 0;
  std::map<std::string, std::size_t> fewest;
  for (const auto& [id, shard] : metadata.placements) {
    const auto* primary = shard.primary_copy();
    if (primary == nullptr || !metadata.live(*primary)) ++without_primary;
    const auto in_sync = live_in_sync(metadata, shard);
    const auto* collection = metadata.find(shard.collection);
    if (collection != nullptr && in_sync < collection->config.sharding.replication_factor) ++under_replicated;
    auto& least = fewest.try_emplace(shard.collection, std::numeric_limits<std::size_t>::max()).first->second;
    least = std::min(least, in_sync);
  }
  shards_.Set(static_cast<double>(metadata.placements.size()));
  without_primary_.Set(without_primary);
  under_replicated_.Set(under_replicated);
  for (const auto& [collection, count] : fewest) {
    auto& gauge = in_sync_by_collection_[collection];
    if (gauge == nullptr) gauge = &in_sync_.Add({{"collection", collection}});
    gauge->Set(static_cast<double>(count));
  }
  std::erase_if(in_sync_by_collection_, [&](const auto& item) {
    if (fewest.contains(item.first)) return false;
    in_sync_.Remove(item.second);
    return true;
  });
}

}  // namespace vectorizer::app
