#include "http_metrics.hpp"

#include <string_view>
#include <utility>

namespace vectorizer::rest {
namespace {

constexpr std::array<std::string_view, kRejections> kReasons{
    "malformed", "header_too_large", "body_too_large", "timeout", "queue_full", "connections", "body_memory"};

}  // namespace

RouteMetrics::RouteMetrics(prometheus::Family<prometheus::Counter>& requests, prometheus::Histogram& seconds,
                           std::string route, Method method)
    : requests_(requests), seconds_(seconds), route_(std::move(route)), method_(method) {}

void RouteMetrics::answered(int status, double seconds) {
  const auto slot = static_cast<std::size_t>(status) < by_status_.size() ? static_cast<std::size_t>(status) : 0;
  auto* counter = by_status_[slot].load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Two threads may both come here: the family answers both with the same counter.
    counter = &requests_.Add(
        {{"route", route_}, {"method", std::string(method_name(method_))}, {"status", std::to_string(status)}});
    by_status_[slot].store(counter, std::memory_order_release);
  }
  counter->Increment();
  seconds_.Observe(seconds);
}

HttpMetrics::HttpMetrics(MetricsRegistry& registry)
    : requests_(registry.counters("vectorizer_http_requests_total", "Requests answered, by route, method and status")),
      seconds_(registry.histograms("vectorizer_http_request_seconds",
                                   "Time from a request read whole to its answer ready, queueing included")),
      connections_(registry.gauge("vectorizer_http_connections", "Open client connections")),
      queue_depth_(registry.gauge("vectorizer_http_queue_depth", "Requests waiting for a thread of the request lane")) {
  for (std::size_t i = 0; i < kRejections; ++i) {
    rejected_[i] = &registry.counter("vectorizer_http_rejected_total", "Requests turned away before a handler saw them",
                                     {{"reason", std::string(kReasons[i])}});
  }
}

std::unique_ptr<RouteMetrics> HttpMetrics::route(const std::string& pattern, Method method) {
  auto& seconds = seconds_.Add({{"route", pattern}}, latency_buckets());
  return std::make_unique<RouteMetrics>(requests_, seconds, pattern, method);
}

}  // namespace vectorizer::rest
