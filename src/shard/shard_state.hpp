#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "generation.hpp"
#include "pending_clock.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::shard {

/// What the parts of one shard share.
///
/// Locks, in the order in which they are taken: commit_mutex, then table_mutex. A write is stored under commit_mutex
/// and becomes visible in a short exclusive section of table_mutex; whoever holds commit_mutex may read the table
/// without the other, because nobody else changes it. Readers hold table_mutex shared, and never while they search the
/// index.
struct ShardState {
  ShardState(ShardOptions shard_options, std::unique_ptr<storage::ShardStore> shard_store, ShardMetrics& shard_metrics)
      : options(std::move(shard_options)),
        store(std::move(shard_store)),
        metrics(shard_metrics),
        ef_search(options.collection.hnsw.ef_search),
        rescore(options.collection.rescore) {}

  /// The generation that serves now. It stays readable for as long as it is held, and never changes after a swap.
  std::shared_ptr<Generation> current() const {
    const std::shared_lock lock(table_mutex);
    return generation;
  }

  ShardOptions options;  ///< `collection` is changed by reconfigure under table_mutex
  const std::unique_ptr<storage::ShardStore> store;
  ShardMetrics& metrics;
  std::atomic<std::uint32_t> ef_search;
  std::atomic<bool> rescore;

  mutable std::mutex commit_mutex;
  mutable std::shared_mutex table_mutex;
  std::shared_ptr<Generation> generation;
  std::shared_ptr<Generation> building;  ///< the next one, while a compaction fills it
  /// While a compaction copies: the versions that stopped being visible, for it to take out of its copy.
  std::optional<std::vector<std::pair<PointId, SequenceNumber>>> removal_log;
  std::atomic<std::uint64_t> changes{0};    ///< writes applied since open
  std::atomic<bool> rebuild_wanted{false};  ///< the options of the index have changed
  mutable PendingClock pending_clock;
};

}  // namespace vectorizer::shard
