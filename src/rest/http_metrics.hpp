#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "http.hpp"
#include "vectorizer/base/metrics.hpp"

namespace vectorizer::rest {

/// The counters of one route and method; no look-up by string once a status has been seen. Thread-safe.
class RouteMetrics {
 public:
  RouteMetrics(prometheus::Family<prometheus::Counter>& requests, prometheus::Histogram& seconds, std::string route,
               Method method);
  void answered(int status, double seconds);

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Histogram& seconds_;
  const std::string route_;
  const Method method_;
  std::array<std::atomic<prometheus::Counter*>, 600> by_status_{};
};

/// Why a request was turned away before any handler saw it.
enum class Rejection : std::uint8_t {
  kMalformed,
  kHeaderTooLarge,
  kBodyTooLarge,
  kTimeout,
  kQueueFull,
  kConnections,
  kBodyMemory
};
constexpr std::size_t kRejections = 7;

/// The metrics of the front end; listed in docs/metrics.md.
class HttpMetrics {
 public:
  explicit HttpMetrics(MetricsRegistry& registry);
  std::unique_ptr<RouteMetrics> route(const std::string& pattern, Method method);
  void rejected(Rejection reason) { rejected_[static_cast<std::size_t>(reason)]->Increment(); }
  prometheus::Gauge& connections() { return connections_; }
  prometheus::Gauge& queue_depth() { return queue_depth_; }

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Gauge& connections_;
  prometheus::Gauge& queue_depth_;
  std::array<prometheus::Counter*, kRejections> rejected_{};
};

}  // namespace vectorizer::rest
