#include "write_counters.hpp"

namespace vectorizer::coordinator {

void WriteCounters::inserts(const std::string& collection, std::uint64_t applied) {
  const std::lock_guard lock(mutex_);
  auto& counter = series_[collection].inserts;
  if (!counter) {
    counter = registry_.shared_counter("vectorizer_inserts_total", "Vectors written by upserts, by collection.",
                                       {{"collection", collection}});
  }
  counter->Increment(static_cast<double>(applied));
}

void WriteCounters::deletes(const std::string& collection, std::uint64_t applied) {
  const std::lock_guard lock(mutex_);
  auto& counter = series_[collection].deletes;
  if (!counter) {
    counter = registry_.shared_counter("vectorizer_deletes_total", "Vectors deleted, by collection.",
                                       {{"collection", collection}});
  }
  counter->Increment(static_cast<double>(applied));
}

void WriteCounters::forget_dropped(const cluster::ClusterMetadata& metadata) {
  const std::lock_guard lock(mutex_);
  std::erase_if(series_, [&](const auto& item) { return metadata.find(item.first) == nullptr; });
}

}  // namespace vectorizer::coordinator
