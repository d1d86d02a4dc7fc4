#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::app {

/// The gauges that are read off this node when somebody scrapes: vectors, index queue, memory, disk. No other node is
/// asked. Vectors are counted where their shard is led, so that the sum over all nodes is that of the cluster.
class NodeMetrics {
 public:
  NodeMetrics(MetricsRegistry& registry, const coordinator::ClusterView& cluster, const storage::Database& database);
  /// Thread-safe; called before each exposition.
  void refresh();

 private:
  /// Series of a collection: they go when the collection goes.
  struct CollectionGauges {
    prometheus::Gauge* vectors;
    prometheus::Gauge* queue;
    prometheus::Gauge* queue_oldest_seconds;
    prometheus::Gauge* tombstones;
  };
  CollectionGauges& gauges_of(const std::string& collection);
  void forget_dropped(const std::set<std::string>& alive);

  const coordinator::ClusterView& cluster_;
  const storage::Database& database_;

  prometheus::Family<prometheus::Gauge>& vectors_;
  prometheus::Family<prometheus::Gauge>& queue_;
  prometheus::Family<prometheus::Gauge>& queue_oldest_;
  prometheus::Family<prometheus::Gauge>& tombstones_;
  prometheus::Gauge& collection_count_;
  prometheus::Gauge& codes_bytes_;
  prometheus::Gauge& graph_bytes_;
  prometheus::Gauge& vector_bytes_;
  prometheus::Gauge& payload_bytes_;
  prometheus::Gauge& resident_bytes_;
  prometheus::Gauge& disk_free_bytes_;
  prometheus::Gauge& storage_full_;

  std::mutex mutex_;
  std::map<std::string, CollectionGauges> by_collection_;  // guarded by mutex_
};

/// Resident memory of this process, from /proc/self/statm; 0 where there is none.
std::uint64_t resident_bytes();

}  // namespace vectorizer::app
