#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::coordinator {

/// How many vectors were written and deleted through this node, by collection; the series of a dropped collection go.
/// Thread-safe.
class WriteCounters {
 public:
  /// @param registry outlives this.
  explicit WriteCounters(MetricsRegistry& registry) : registry_(registry) {}

  void inserts(const std::string& collection, std::uint64_t applied);
  void deletes(const std::string& collection, std::uint64_t applied);
  void forget_dropped(const cluster::ClusterMetadata& metadata);

 private:
  struct Series {
    std::shared_ptr<prometheus::Counter> inserts, deletes;
  };

  MetricsRegistry& registry_;
  std::mutex mutex_;
  std::map<std::string, Series> series_;  // guarded by mutex_
};

}  // namespace vectorizer::coordinator
