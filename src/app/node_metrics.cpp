#include "node_metrics.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace vectorizer::app {
namespace {

constexpr auto kMemory = "vectorizer_memory_bytes";
constexpr auto kMemoryHelp = "Memory by component: codes, graph, vectors, payloads.";

}  // namespace

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

NodeMetrics::NodeMetrics(MetricsRegistry& registry, const coordinator::ClusterView& cluster,
                         const storage::Database& database)
    : cluster_(cluster),
      database_(database),
      vectors_(registry.gauges("vectorizer_vectors", "Vectors, by collection.")),
      queue_(registry.gauges("vectorizer_index_queue", "Vectors that wait for the graph, by collection.")),
      queue_oldest_(registry.gauges("vectorizer_index_queue_oldest_seconds",
                                    "Age of the oldest vector that waits for the graph, by collection.")),
      tombstones_(registry.gauges("vectorizer_tombstones", "Deleted slots that wait for compaction, by collection.")),
      collection_count_(registry.gauge("vectorizer_collections", "Collections.")),
      codes_bytes_(registry.gauge(kMemory, kMemoryHelp, {{"component", "codes"}})),
      graph_bytes_(registry.gauge(kMemory, kMemoryHelp, {{"component", "graph"}})),
      vector_bytes_(registry.gauge(kMemory, kMemoryHelp, {{"component", "vectors"}})),
      payload_bytes_(registry.gauge(kMemory, kMemoryHelp, {{"component", "payloads"}})),
      resident_bytes_(registry.gauge("vectorizer_process_resident_bytes", "Resident memory of the process.")),
      disk_free_bytes_(registry.gauge("vectorizer_disk_free_bytes", "Bytes free where the data lives.")),
      storage_full_(registry.gauge("vectorizer_storage_full", "1 while writes are refused for want of disk space.")) {}

NodeMetrics::CollectionGauges& NodeMetrics::gauges_of(const std::string& collection) {
  const auto known = by_collection_.find(collection);
  if (known != by_collection_.end()) return known->second;
  const prometheus::Labels labels{{"collection", collection}};
  return by_collection_[collection] = {&vectors_.Add(labels), &queue_.Add(labels), &queue_oldest_.Add(labels),
                                       &tombstones_.Add(labels)};
}

void NodeMetrics::forget_dropped(const std::set<std::string>& alive) {
  std::erase_if(by_collection_, [&](const auto& item) {
    if (alive.count(item.first) != 0) return false;
    vectors_.Remove(item.second.vectors);
    queue_.Remove(item.second.queue);
    queue_oldest_.Remove(item.second.queue_oldest_seconds);
    tombstones_.Remove(item.second.tombstones);
    return true;
  });
}

void NodeMetrics::refresh() {
  const auto collections = cluster_.collection_names();
  const auto shards = cluster_.local_shards();
  const std::lock_guard lock(mutex_);
  const std::set<std::string> alive(collections.begin(), collections.end());
  for (const auto& name : alive) {
    auto& gauges = gauges_of(name);
    gauges.vectors->Set(0);
    gauges.queue->Set(0);
    gauges.queue_oldest_seconds->Set(0);
    gauges.tombstones->Set(0);
  }
  std::uint64_t codes = 0, graph = 0, vectors = 0, payloads = 0;
  for (const auto& shard : shards) {
    codes += shard.code_bytes;
    graph += shard.graph_bytes;
    vectors += shard.vector_bytes;
    payloads += shard.payload_bytes;
    if (alive.count(shard.collection) == 0) continue;  // created since the list was taken
    auto& gauges = gauges_of(shard.collection);
    if (shard.primary == cluster_.self()) gauges.vectors->Increment(static_cast<double>(shard.vectors));
    gauges.queue->Increment(static_cast<double>(shard.pending));
    gauges.tombstones->Increment(static_cast<double>(shard.tombstones));
    gauges.queue_oldest_seconds->Set(std::max(gauges.queue_oldest_seconds->Value(), shard.oldest_pending_seconds));
  }
  forget_dropped(alive);
  collection_count_.Set(static_cast<double>(collections.size()));
  codes_bytes_.Set(static_cast<double>(codes));
  graph_bytes_.Set(static_cast<double>(graph));
  vector_bytes_.Set(static_cast<double>(vectors));
  payload_bytes_.Set(static_cast<double>(payloads));
  resident_bytes_.Set(static_cast<double>(resident_bytes()));
  disk_free_bytes_.Set(static_cast<double>(database_.disk_free_bytes()));
  storage_full_.Set(database_.storage_full() ? 1 : 0);
}

}  // namespace vectorizer::app
