#include "client_metrics.hpp"

namespace vectorizer::rpc {

ClientMetrics::ClientMetrics(MetricsRegistry& registry)
    : seconds_(registry.histograms("vectorizer_rpc_client_seconds",
                                   "Calls to other nodes that were answered, all attempts together")),
      errors_(registry.counters("vectorizer_rpc_client_errors_total", "Attempts to call other nodes that failed")) {}

const std::string& ClientMetrics::label(const std::string& peer) {
  static const std::string kOther = "other";
  if (peers_.contains(peer)) return peer;
  return peers_.size() < kMaxPeers ? peer : kOther;
}

void ClientMetrics::answered(const std::string& peer, Method method, double seconds) {
  MetricsRegistry::Histogram* histogram = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const std::string& name = label(peer);
    auto& slot = peers_[name][method];
    if (slot == nullptr) {
      slot = &seconds_.Add({{"peer", name}, {"method", std::string(rules(method).name)}}, latency_buckets());
    }
    histogram = slot;
  }
  histogram->Observe(seconds);
}

void ClientMetrics::failed(const std::string& peer, Method method, ErrorType type) {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    name = label(peer);
    peers_[name];
  }
  errors_
      .Add({{"peer", name}, {"method", std::string(rules(method).name)}, {"code", std::string(error_type_name(type))}})
      .Increment();
}

}  // namespace vectorizer::rpc
