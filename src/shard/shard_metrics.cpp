#include "vectorizer/shard/shard.hpp"

namespace vectorizer::shard {

ShardMetrics::ShardMetrics(MetricsRegistry& registry)
    : write_group_size(registry.histogram("vectorizer_write_group_size", "Writers that shared one durable batch",
                                          {1, 2, 4, 8, 16, 32, 64, 128, 256})),
      stage_seconds(registry.histograms("vectorizer_search_stage_seconds", "Time of a shard's search by stage")),
      stage_plan(stage_seconds.Add({{"stage", "plan"}}, latency_buckets())),
      stage_index(stage_seconds.Add({{"stage", "index"}}, latency_buckets())),
      stage_payload(stage_seconds.Add({{"stage", "payload"}}, latency_buckets())),
      registry_(registry) {}

std::shared_ptr<prometheus::Histogram> ShardMetrics::search_seconds(const std::string& collection) {
  return registry_.shared_histogram("vectorizer_search_seconds", "Time of a search in one shard", latency_buckets(),
                                    {{"collection", collection}});
}

}  // namespace vectorizer::shard
