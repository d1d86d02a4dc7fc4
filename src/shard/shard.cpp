#include "vectorizer/shard/shard.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>

#include "committer.hpp"
#include "compaction.hpp"
#include "point_reader.hpp"
#include "recovery.hpp"
#include "searcher.hpp"
#include "shard_state.hpp"
#include "write_queue.hpp"

namespace vectorizer::shard {
namespace {

using Clock = std::chrono::steady_clock;

/// Vectors that one slice of background work indexes or copies: some 50 ms.
constexpr std::size_t kSlice = 256;
/// Fewer tombstones than this are not worth a compaction.
constexpr std::size_t kMinTombstones = 256;
/// While a compaction runs, the serving index moves vectors into its graph only past this.
constexpr std::size_t kTolerableTail = 4096;
constexpr double kSaveShare = 0.1;
constexpr std::chrono::seconds kSaveInterval{60};
/// Fewer changes than this share are indexed again faster than the whole index is written.
constexpr double kLeastSaveShare = 0.001;
/// Slots of the table that are encoded for saving while writers wait.
constexpr std::size_t kEncodedAtOnce = 8192;
constexpr std::chrono::seconds kRetryAfter{10};

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

  Result<std::vector<WriteOutcome>> write(std::span<const WriteOp> ops) override {
    if (ops.empty()) return std::vector<WriteOutcome>{};
    RETURN_IF_ERROR(check_dimensions(ops));
    RETURN_IF_ERROR(check_tail(ops));
    return queue_.submit(ops);
  }

  Result<void> apply(std::span<const storage::StoredWrite> writes) override {
    const std::uint32_t dimension = state_.options.collection.dimension;
    for (const storage::StoredWrite& write : writes) {
      if (write.deleted || write.point.vector.size() == dimension) continue;
      return Error{ErrorType::kInternal,
                   fmt::format("change {} has {} dimensions, the collection {}", write.sequence,
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
    const auto begin = Clock::now();
    auto result = searcher_.search(query);
    search_seconds_.Observe(std::chrono::duration<double>(Clock::now() - begin).count());
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
  bool maintain() override;
  Result<void> save() override {
    const std::lock_guard lock(maintain_mutex_);
    return save_index();
  }

 private:
  Result<void> check_dimensions(std::span<const WriteOp> ops) const;
  Result<void> check_tail(std::span<const WriteOp> ops) const;
  bool compaction_due(const index::IndexStats& stats) const;
  bool save_due(const index::IndexStats& stats) const;
  void step_compaction();
  Result<void> save_index();

  ShardState state_;
  prometheus::Histogram& search_seconds_;
  Committer committer_{state_};
  WriteQueue queue_{[this](std::span<PendingWrite* const> group) { committer_.commit(group); }};
  const Searcher searcher_{state_};
  const PointReader reader_{state_};

  std::mutex maintain_mutex_;  // background work, against save() on stop
  std::unique_ptr<Compaction> compaction_;
  Clock::time_point not_before_;  // after background work failed
  std::uint64_t saved_changes_ = 0;
  bool swapped_since_save_ = false;
  Clock::time_point saved_at_ = Clock::now();
};

Result<void> StoreBackedShard::check_dimensions(std::span<const WriteOp> ops) const {
  const std::uint32_t dimension = state_.options.collection.dimension;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const WriteOp& op = ops[i];
    const bool has_vector =
        op.kind == WriteOp::Kind::kUpsert || (op.kind == WriteOp::Kind::kPatch && !op.vector.empty());
    if (!has_vector || op.vector.size() == dimension) continue;
    Error error(ErrorType::kDimensionMismatch, fmt::format("vector {} has {} dimensions, the collection {}",
                                                           op.id.to_json(), op.vector.size(), dimension));
    return std::move(error)
        .with("expected", dimension)
        .with("actual", op.vector.size())
        .with("index", i)
        .with("id", op.id.is_integer() ? std::to_string(op.id.number()) : op.id.text());
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

bool StoreBackedShard::maintain() {
  const std::lock_guard lock(maintain_mutex_);
  const std::shared_ptr<Generation> generation = state_.current();
  if (compaction_) {
    if (generation->index->stats().pending > kTolerableTail) generation->index->index_pending(kSlice);
    step_compaction();
    return true;
  }
  if (generation->index->index_pending(kSlice) > 0) return true;
  if (Clock::now() < not_before_) return false;
  const index::IndexStats stats = generation->index->stats();
  if (compaction_due(stats)) {
    compaction_ = std::make_unique<Compaction>(state_);
    return true;
  }
  if (save_due(stats)) {
    if (auto saved = save_index(); !saved) {
      spdlog::warn("shard {}: the index was not saved: {}", state_.options.id.value(), saved.error().message);
      not_before_ = Clock::now() + kRetryAfter;
    }
  }
  return false;
}

void StoreBackedShard::step_compaction() {
  const auto progress = compaction_->step(kSlice);
  if (progress && *progress == Compaction::Progress::kMore) return;
  compaction_.reset();
  if (progress) {
    swapped_since_save_ = true;
    return;
  }
  spdlog::warn("shard {}: compaction put off: {}", state_.options.id.value(), progress.error().message);
  not_before_ = Clock::now() + kRetryAfter;
}

bool StoreBackedShard::compaction_due(const index::IndexStats& stats) const {
  if (state_.rebuild_wanted) return true;
  if (stats.tombstones == 0) return false;
  if (stats.live == 0) return true;
  return stats.tombstones >= kMinTombstones &&
         static_cast<double>(stats.tombstones) > state_.options.compaction_threshold * static_cast<double>(stats.slots);
}

bool StoreBackedShard::save_due(const index::IndexStats& stats) const {
  if (swapped_since_save_) return true;
  const std::uint64_t unsaved = state_.changes - saved_changes_;
  if (unsaved == 0) return false;
  const double share = static_cast<double>(unsaved) / static_cast<double>(std::max<std::size_t>(stats.slots, 1));
  return share >= kSaveShare || (share >= kLeastSaveShare && Clock::now() - saved_at_ >= kSaveInterval);
}

Result<void> StoreBackedShard::save_index() {
  const std::uint64_t changes = state_.changes;
  if (changes == saved_changes_ && !swapped_since_save_) return {};
  const std::shared_ptr<Generation> generation = state_.current();
  const std::filesystem::path file = saved_index_file(state_.options);
  if (generation->index->stats().graph_bytes == 0) {
    // Nothing that adding the vectors again would not give as fast.
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  } else {
    std::size_t slots = 0;
    {
      const std::shared_lock lock(state_.table_mutex);
      slots = generation->table.slots();
    }
    std::string table = SlotTable::encode_start(slots);
    for (std::size_t begin = 0; begin < slots; begin += kEncodedAtOnce) {
      const std::shared_lock lock(state_.table_mutex);
      generation->table.encode_slots(table, begin, std::min(slots, begin + kEncodedAtOnce));
    }
    RETURN_IF_ERROR(generation->index->save(file, table));
  }
  saved_changes_ = changes;
  swapped_since_save_ = false;
  saved_at_ = Clock::now();
  return {};
}

}  // namespace

Result<std::unique_ptr<Shard>> open_shard(ShardOptions options, std::unique_ptr<storage::ShardStore> store,
                                          ShardMetrics& metrics) {
  auto shard = std::make_unique<StoreBackedShard>(std::move(options), std::move(store), metrics);
  RETURN_IF_ERROR(shard->open());
  return std::unique_ptr<Shard>(std::move(shard));
}

}  // namespace vectorizer::shard
