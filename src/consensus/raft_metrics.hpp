#pragma once

#include "vectorizer/base/metrics.hpp"

namespace vectorizer::consensus {

struct RaftMetrics {
  explicit RaftMetrics(MetricsRegistry& registry)
      : term(registry.gauge("vectorizer_raft_term", "Term of the metadata log")),
        is_leader(registry.gauge("vectorizer_raft_is_leader", "1 on the node that leads the metadata log")),
        leader_changes(registry.counter("vectorizer_raft_leader_changes_total",
                                        "Times that this node learned of another leader of the metadata log")),
        commit_seconds(registry.histogram("vectorizer_raft_commit_seconds",
                                          "From a change of the metadata proposed here to its being decided",
                                          latency_buckets())) {}

  MetricsRegistry::Gauge& term;
  MetricsRegistry::Gauge& is_leader;
  MetricsRegistry::Counter& leader_changes;
  MetricsRegistry::Histogram& commit_seconds;
};

}  // namespace vectorizer::consensus
