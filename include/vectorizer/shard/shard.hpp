#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/request_id.hpp"
#include "vectorizer/model/requests.hpp"
#include "vectorizer/model/shard_stats.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::shard {

/// The saved index, in the directory of the shard.
inline constexpr auto kSavedIndexFile = "index.vzi";

struct ShardOptions {
  ShardId id;
  CollectionConfig collection;
  std::filesystem::path directory;  ///< for the saved index; created on open
  std::uint32_t graph_threshold = 2000;
  std::uint32_t tail_limit = 200000;
  double compaction_threshold = 0.2;
};

/// A page of a scroll: points in id order; `complete` when nothing follows.
struct ScrollPage {
  std::vector<Point> points;
  bool complete = true;
};

/// One shard on this node: a store and an index kept consistent. The store is the truth; the index and the payload
/// index are rebuilt from it on open, with the saved graph where it fits.
///
/// Thread-safe. Writers share one durable batch (group commit): the first in the queue orders, resolves, stores and
/// applies the operations of everybody behind it. A write is visible to every read once `write` has returned.
class Shard {
 public:
  virtual ~Shard() = default;

  /// Blocks until durable and applied. One outcome per op, in order; an error means nothing of this call was applied,
  /// except kInternal, whose outcome is unknown. kOverloaded when the exact tail is at its limit.
  ///
  /// A request that was done before, as far as the shard remembers it (docs/replication.md), is not done again: it gets
  /// its earlier outcomes, or kConflict when it was another one. With a stamp, `ops` may be empty: it is remembered.
  virtual Result<std::vector<WriteOutcome>> write(std::span<const WriteOp> ops,
                                                  const std::optional<RequestStamp>& stamp = std::nullopt) = 0;
  /// What the primary of this shard has resolved and committed: stores it in one batch and makes it visible. In the
  /// order of sequences; those that the store already has are left out. An error means the same as for write().
  virtual Result<void> apply(std::span<const storage::StoredWrite> writes) = 0;

  /// Best first, ties by id; up to query.limit + query.offset (the coordinator merges and cuts).
  virtual Result<std::vector<ScoredPoint>> search(const SearchQuery& query) const = 0;
  virtual Result<std::vector<std::optional<Point>>> get(std::span<const PointId> ids, const Projection& what) const = 0;
  virtual Result<ScrollPage> scroll(const ScrollQuery& query) const = 0;
  virtual Result<std::uint64_t> count(const std::optional<Filter>& filter) const = 0;
  /// Up to `limit` ids greater than `after` for which the filter holds, in id order.
  virtual Result<std::vector<PointId>> matching(const Filter& filter, const std::optional<PointId>& after,
                                                std::size_t limit) const = 0;

  virtual ShardStats stats() const = 0;
  /// hnsw.ef_search and the other fields that PATCH may change.
  virtual void reconfigure(const CollectionConfig& config) = 0;
  /// One slice of background work (indexing, compaction, saving). True if more waits. Callers beyond
  /// the first help it to build graphs.
  virtual bool maintain() = 0;
  /// Saves the index now, if it changed: on a clean stop.
  virtual Result<void> save() = 0;
};

/// Metrics that all shards of a node share, labelled by collection.
class ShardMetrics {
 public:
  explicit ShardMetrics(MetricsRegistry& registry);
  /// Of a collection; the series goes with the last shard that holds it.
  std::shared_ptr<prometheus::Histogram> search_seconds(const std::string& collection);
  prometheus::Histogram& write_group_size;
  prometheus::Family<prometheus::Histogram>& stage_seconds;  ///< labels: stage = plan | index | payload
  prometheus::Histogram& stage_plan;
  prometheus::Histogram& stage_index;
  prometheus::Histogram& stage_payload;

 private:
  MetricsRegistry& registry_;
};

/// Opens a shard: loads the saved index if it fits, replays the store. Never fails because of the saved index.
Result<std::unique_ptr<Shard>> open_shard(ShardOptions options, std::unique_ptr<storage::ShardStore> store,
                                          ShardMetrics& metrics);

}  // namespace vectorizer::shard
