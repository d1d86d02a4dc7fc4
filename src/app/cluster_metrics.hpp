#pragma once

#include <map>
#include <mutex>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/control/membership.hpp"

namespace vectorizer::app {

/// The gauges of a node of a cluster, as this node sees it: the same on all nodes while they agree. Only on a node of a
/// cluster.
class ClusterMetrics {
 public:
  /// @param metadata, membership outlive it
  ClusterMetrics(MetricsRegistry& registry, const cluster::MetadataLog& metadata,
                 const control::Membership& membership);
  /// Thread-safe; called before each exposition.
  void refresh();

 private:
  void refresh_nodes(const cluster::ClusterMetadata& metadata);
  void refresh_shards(const cluster::ClusterMetadata& metadata);

  const cluster::MetadataLog& metadata_;
  const control::Membership& membership_;

  std::map<cluster::NodeStatus, prometheus::Gauge*> nodes_;
  std::map<cluster::MoveState, prometheus::Gauge*> migrations_;
  prometheus::Gauge& epoch_;
  prometheus::Gauge& formed_;
  prometheus::Gauge& lease_valid_;
  prometheus::Gauge& servers_hash_;
  prometheus::Gauge& servers_differ_;
  prometheus::Gauge& shards_;
  prometheus::Gauge& without_primary_;
  prometheus::Gauge& under_replicated_;
  prometheus::Family<prometheus::Gauge>& in_sync_;

  std::mutex mutex_;
  std::map<std::string, prometheus::Gauge*> in_sync_by_collection_;  // guarded by mutex_
};

}  // namespace vectorizer::app
