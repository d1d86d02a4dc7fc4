#include "vectorizer/shard/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <system_error>

#include "committer.hpp"
#include "compaction.hpp"
#include "point_reader.hpp"
#include "recovery.hpp"
#include "searcher.hpp"
#include "shard_state.hpp"
#include "upkeep.hpp"
#include "write_queue.hpp"

namespace vectorizer::shard {
namespace {

using Clock = std::chrono::steady_clock;

/// Squares of vectors, and of their differences, must stay in the range of a float. Cosine takes no squares of them.
constexpr double kMaxSquaredNorm = static_cast<double>(std::numeric_limits<float>::max()) / 16;

bool too_long(Metric metric, std::span<const float> vector) {
  if (metric == Metric::kCosine) return false;
  double squared_norm = 0;
  for (const float value : vector) squared_norm += static_cast<double>(value) * static_cast<double>(value);
  return squared_norm > kMaxSquaredNorm;
}

Error too_long_error(const std::string& what, Metric metric) {
  return Error{ErrorType::kValidation, fmt::format("{} is longer than {:.2g}, up to which distances by '{}' are exact",
                                                   what, std::sqrt(kMaxSquaredNorm), metric_name(metric))}
      .with("field", "vector");
}

class StoreBackedShard final : public Shard {
 public:
  StoreBackedShard(ShardOptions options, std::unique_ptr<storage::ShardStore> store, ShardMetrics& metrics)
      : state_(std::move(options), std::move(store), metrics),
        search_seconds_(metrics.search_seconds(state_.options.collection.name)) {}

  Result<void> open() {
    std::error_code error;
    std::filesystem::create_directories(state_.options.directory, error);
    if (error) {
      return Error{ErrorType::kInternal,
                   fmt::format("cannot create {}: {}", state_.options.directory.string(), error.message())};
    }
    remove_stale_scratch(state_.options.directory);
    ASSIGN_OR_RETURN(state_.generation, recover(state_.options, *state_.store));
    state_.pending_clock.added(state_.generation->table.slots());
    state_.changes = state_.generation->index->stats().pending;  // the saved index lacks them
    return {};
  }

  Result<std::vector<WriteOutcome>> write(std::span<const WriteOp> ops,
                                          const std::optional<RequestStamp>& stamp) override {
    if (ops.empty() && !stamp) return std::vector<WriteOutcome>{};
    RETURN_IF_ERROR(check_vectors(ops));
    RETURN_IF_ERROR(check_tail(ops));
    return queue_.submit(ops, stamp);
  }

  Result<void> apply(std::span<const storage::StoredWrite> writes) override {
    const std::uint32_t dimension = state_.options.collection.dimension;
    for (const storage::StoredWrite& write : writes) {
      if (write.deleted || write.point.vector.size() == dimension) continue;
      return Error{ErrorType::kInternal, fmt::format("change {} has {} dimensions, the collection {}", write.sequence,
                                                     write.point.vector.size(), dimension)};
    }
    return committer_.apply_stored(writes);
  }

  Result<std::vector<ScoredPoint>> search(const SearchQuery& query) const override {
    const std::uint32_t dimension = state_.options.collection.dimension;
    if (query.vector.size() != dimension) {
      return Error{ErrorType::kDimensionMismatch,
                   fmt::format("the query has {} dimensions, the collection {}", query.vector.size(), dimension)}
          .with("expected", dimension)
          .with("actual", query.vector.size());
    }
    const Metric metric = state_.options.collection.metric;
    if (too_long(metric, query.vector)) return too_long_error("the query", metric);
    const auto begin = Clock::now();
    auto result = searcher_.search(query);
    search_seconds_->Observe(std::chrono::duration<double>(Clock::now() - begin).count());
    return result;
  }

  Result<std::vector<std::optional<Point>>> get(std::span<const PointId> ids, const Projection& what) const override {
    return reader_.get(ids, what);
  }
  Result<ScrollPage> scroll(const ScrollQuery& query) const override { return reader_.scroll(query); }
  Result<std::uint64_t> count(const std::optional<Filter>& filter) const override { return reader_.count(filter); }
  Result<std::vector<PointId>> matching(const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) const override {
    return reader_.matching(filter, after, limit);
  }

  ShardStats stats() const override;
  void reconfigure(const CollectionConfig& config) override;
  bool maintain() override {
    reader_.forget_idle();
    return upkeep_.run();
  }
  Result<void> save() override { return upkeep_.save(); }

 private:
  Result<void> check_vectors(std::span<const WriteOp> ops) const;
  Result<void> check_tail(std::span<const WriteOp> ops) const;

  ShardState state_;
  const std::shared_ptr<prometheus::Histogram> search_seconds_;
  Committer committer_{state_};
  WriteQueue queue_{[this](std::span<PendingWrite* const> group) { committer_.commit(group); }};
  const Searcher searcher_{state_};
  const PointReader reader_{state_};
  Upkeep upkeep_{state_};
};

Result<void> StoreBackedShard::check_vectors(std::span<const WriteOp> ops) const {
  const std::uint32_t dimension = state_.options.collection.dimension;
  const Metric metric = state_.options.collection.metric;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const WriteOp& op = ops[i];
    const bool has_vector =
        op.kind == WriteOp::Kind::kUpsert || (op.kind == WriteOp::Kind::kPatch && !op.vector.empty());
    if (!has_vector) continue;
    const std::string id = op.id.is_integer() ? std::to_string(op.id.number()) : op.id.text();
    if (op.vector.size() != dimension) {
      return Error{ErrorType::kDimensionMismatch, fmt::format("vector {} has {} dimensions, the collection {}",
                                                              op.id.to_json(), op.vector.size(), dimension)}
          .with("expected", dimension)
          .with("actual", op.vector.size())
          .with("index", i)
          .with("id", id);
    }
    if (too_long(metric, op.vector)) {
      return too_long_error("vector " + op.id.to_json(), metric).with("index", i).with("id", id);
    }
  }
  return {};
}

Result<void> StoreBackedShard::check_tail(std::span<const WriteOp> ops) const {
  const bool only_deletes =
      std::all_of(ops.begin(), ops.end(), [](const WriteOp& op) { return op.kind == WriteOp::Kind::kDelete; });
  if (only_deletes) return {};
  const std::size_t pending = state_.current()->index->stats().pending;
  if (pending < state_.options.tail_limit) return {};
  return Error{ErrorType::kOverloaded,
               fmt::format("{} vectors of shard {} wait to be indexed", pending, state_.options.id.value())}
      .with("queue", "index_tail")
      .with("depth", pending)
      .with("limit", state_.options.tail_limit);
}

ShardStats StoreBackedShard::stats() const {
  const std::shared_ptr<Generation> generation = state_.current();
  const index::IndexStats index = generation->index->stats();
  ShardStats stats;
  std::size_t kept_payloads = 0;
  {
    const std::shared_lock lock(state_.table_mutex);
    stats.vectors = generation->table.live_count();
    kept_payloads = generation->table.payload_bytes();
  }
  stats.pending = std::min<std::uint64_t>(index.pending, stats.vectors);
  stats.indexed = stats.vectors - stats.pending;
  const double oldest = state_.pending_clock.oldest_seconds(index.indexed);
  stats.oldest_pending_seconds = index.pending > 0 ? oldest : 0;
  stats.tombstones = index.tombstones;
  stats.code_bytes = index.code_bytes;
  stats.graph_bytes = index.graph_bytes;
  stats.vector_bytes = index.vector_bytes;
  stats.payload_bytes = kept_payloads + generation->payloads->bytes();
  stats.sequence = state_.store->applied_sequence();
  stats.problem = upkeep_.problem();
  stats.indexed_paths = generation->payloads->indexed_paths();
  return stats;
}

void StoreBackedShard::reconfigure(const CollectionConfig& config) {
  state_.ef_search = config.hnsw.ef_search;
  state_.rescore = config.rescore;
  const std::unique_lock lock(state_.table_mutex);
  CollectionConfig& current = state_.options.collection;
  if (current.quantization != config.quantization) state_.rebuild_wanted = true;
  current.hnsw.ef_search = config.hnsw.ef_search;
  current.rescore = config.rescore;
  current.quantization = config.quantization;
  current.sharding = config.sharding;
}

}  // namespace

Result<std::unique_ptr<Shard>> open_shard(ShardOptions options, std::unique_ptr<storage::ShardStore> store,
                                          ShardMetrics& metrics) {
  auto shard = std::make_unique<StoreBackedShard>(std::move(options), std::move(store), metrics);
  RETURN_IF_ERROR(shard->open());
  return std::unique_ptr<Shard>(std::move(shard));
}

}  // namespace vectorizer::shard
