#pragma once

#include <array>

#include "methods.hpp"
#include "vectorizer/base/metrics.hpp"

namespace vectorizer::rpc {

/// What the port between nodes does. Thread-safe.
class ServerMetrics {
 public:
  enum class Rejection { kStranger, kSecret, kQueueFull, kStopping, kNotServing };

  explicit ServerMetrics(MetricsRegistry& registry);

  MetricsRegistry::Gauge& in_flight(Method method) { return *in_flight_[static_cast<std::size_t>(method)]; }
  MetricsRegistry::Histogram& seconds(Method method) { return *seconds_[static_cast<std::size_t>(method)]; }
  MetricsRegistry::Counter& rejected(Rejection reason) { return *rejected_[static_cast<std::size_t>(reason)]; }

 private:
  std::array<MetricsRegistry::Gauge*, kMethods> in_flight_{};
  std::array<MetricsRegistry::Histogram*, kMethods> seconds_{};
  std::array<MetricsRegistry::Counter*, 5> rejected_{};
};

}  // namespace vectorizer::rpc
