#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "methods.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::rpc {

/// Latency and failures of calls to other nodes, by node and call. Thread-safe.
class ClientMetrics {
 public:
  explicit ClientMetrics(MetricsRegistry& registry);

  void answered(const std::string& peer, Method method, double seconds);
  void failed(const std::string& peer, Method method, ErrorType type);

 private:
  /// Nodes come and go under new names; those beyond this are counted together.
  static constexpr std::size_t kMaxPeers = 64;
  const std::string& label(const std::string& peer);  // under mutex_

  prometheus::Family<MetricsRegistry::Histogram>& seconds_;
  prometheus::Family<MetricsRegistry::Counter>& errors_;
  std::mutex mutex_;
  std::map<std::string, std::map<Method, MetricsRegistry::Histogram*>> peers_;
};

}  // namespace vectorizer::rpc
