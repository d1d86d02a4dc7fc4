#include "server_metrics.hpp"

namespace vectorizer::rpc {

ServerMetrics::ServerMetrics(MetricsRegistry& registry) {
  auto& in_flight = registry.gauges("vectorizer_rpc_server_in_flight",
                                    "Calls of other nodes that are being handled or wait for a thread");
  auto& seconds =
      registry.histograms("vectorizer_rpc_server_seconds", "Calls of other nodes, waiting for a thread included");
  for (std::size_t i = 0; i < kMethods; ++i) {
    const std::string name(kMethodRules[i].name);
    in_flight_[i] = &in_flight.Add({{"method", name}});
    seconds_[i] = &seconds.Add({{"method", name}}, latency_buckets());
  }
  auto& rejected = registry.counters("vectorizer_rpc_server_rejected_total",
                                     "Calls of other nodes turned away before a handler saw them");
  constexpr std::array<const char*, 5> kReasons{"stranger", "secret", "queue_full", "stopping", "not_serving"};
  for (std::size_t i = 0; i < kReasons.size(); ++i) rejected_[i] = &rejected.Add({{"reason", kReasons[i]}});
}

}  // namespace vectorizer::rpc
