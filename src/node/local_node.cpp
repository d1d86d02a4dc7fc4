#include "vectorizer/node/local_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <mutex>
#include <optional>
#include <system_error>

#include "copy_registry.hpp"
#include "maintenance.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/base/published.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {
namespace {

using Shards = Maintenance::Shards;

Error unavailable(const ShardId& shard, const NodeId& node) {
  return Error{ErrorType::kShardUnavailable,
               fmt::format("Shard not found or not assigned: shard {} on node '{}'", shard.value(), node.value())}
      .with("shard_id", shard.value())
      .with("node", node.value());
}

class LocalNodeImpl final : public LocalNode {
 public:
  LocalNodeImpl(LocalNodeOptions options, storage::Database& database, cluster::MetadataLog& metadata,
                MetricsRegistry& registry)
      : options_(std::move(options)),
        database_(database),
        metadata_(metadata),
        shard_metrics_(registry),
        shards_(std::make_shared<const Shards>()),
        write_lane_("shard-write", options_.write_threads, kWriteQueue),
        maintenance_(options_.index_threads, [this] { return shards_.get(); }) {}

  ~LocalNodeImpl() override { stop(); }

  void reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) override;
  std::vector<std::string> problems() const override;
  void stop() override;

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override;
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override;
  Result<std::vector<std::optional<Point>>> get(const ShardId& shard, std::span<const PointId> ids,
                                                const Projection& what) override {
    const auto found = find(shard);
    if (!found) return unavailable(shard, options_.self);
    return found->get(ids, what);
  }
  Result<peer::ShardPage> scroll(const ShardId& shard, const ScrollQuery& query) override {
    const auto found = find(shard);
    if (!found) return unavailable(shard, options_.self);
    ASSIGN_OR_RETURN(auto page, found->scroll(query));
    return peer::ShardPage{std::move(page.points), page.complete};
  }
  Result<std::uint64_t> count(const ShardId& shard, const std::optional<Filter>& filter) override {
    const auto found = find(shard);
    if (!found) return unavailable(shard, options_.self);
    return found->count(filter);
  }
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override {
    const auto found = find(shard);
    if (!found) return unavailable(shard, options_.self);
    return found->matching(filter, after, limit);
  }
  Result<std::vector<peer::ShardReport>> report() override;
  Result<std::uint64_t> sequence(const ShardId& shard) override {
    const auto found = find(shard);
    if (!found) return unavailable(shard, options_.self);
    return found->stats().sequence;
  }

 private:
  static constexpr std::size_t kWriteQueue = 1U << 16;

  std::shared_ptr<shard::Shard> find(const ShardId& shard) const {
    const auto shards = shards_.get();
    const auto found = shards->find(shard);
    return found == shards->end() ? nullptr : found->second;
  }
  std::filesystem::path directory_of(const ShardId& shard) const {
    return options_.data_dir / "index" / std::to_string(shard.value());
  }
  peer::ShardWriteReply write_one(const peer::ShardWrite& write);
  void drop_unwanted(const cluster::ClusterMetadata& metadata, Shards& shards);
  void open_wanted(const cluster::ClusterMetadata& metadata, Shards& shards);
  Result<std::shared_ptr<shard::Shard>> open_copy(const cluster::ClusterMetadata& metadata,
                                                  const cluster::ShardPlacement& placement,
                                                  const cluster::CopyRecord& own);
  void join_in_sync_sets();

  const LocalNodeOptions options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  shard::ShardMetrics shard_metrics_;

  std::mutex reconcile_mutex_;  // one reconciliation at a time; guards copies_
  std::optional<CopyRegistry> copies_;
  std::uint64_t reconciled_epoch_ = 0;
  std::atomic<bool> joining_{false};  // a thread is in join_in_sync_sets

  mutable std::mutex problems_mutex_;
  std::map<ShardId, std::string> problems_;  // guarded by problems_mutex_
  std::string registry_problem_;             // likewise; empty when there is none

  Published<Shards> shards_;
  Lane write_lane_;
  Maintenance maintenance_;
};

void LocalNodeImpl::reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) {
  {
    const std::lock_guard lock(reconcile_mutex_);
    if (metadata->epoch < reconciled_epoch_) return;
    reconciled_epoch_ = metadata->epoch;
    if (!copies_) {
      auto loaded = CopyRegistry::load(database_);
      if (!loaded) {
        auto text = fmt::format("cannot read which shards this node holds: {}", loaded.error().message);
        spdlog::error("{}", text);
        const std::lock_guard problems_lock(problems_mutex_);
        registry_problem_ = std::move(text);
        return;
      }
      copies_.emplace(std::move(*loaded));
      const std::lock_guard problems_lock(problems_mutex_);
      registry_problem_.clear();
    }
    auto shards = std::make_shared<Shards>(*shards_.get());
    open_wanted(*metadata, *shards);
    // Published before the unwanted data is dropped, so that nobody starts to use a shard that goes away.
    auto kept = std::make_shared<Shards>(*shards);
    std::erase_if(*kept, [&](const auto& item) { return metadata->placements.count(item.first) == 0; });
    shards_.set(kept);
    drop_unwanted(*metadata, *shards);
  }
  join_in_sync_sets();
  maintenance_.poke();
}

/// Proposes OpenCopy for every copy that was created empty. Its own proposals call reconcile() again: the one that
/// began goes on with what they decided.
void LocalNodeImpl::join_in_sync_sets() {
  std::uint64_t seen = 0;
  do {
    if (joining_.exchange(true)) return;
    const auto metadata = metadata_.current();
    const auto shards = shards_.get();
    seen = metadata->epoch;
    for (const auto& [id, shard] : *shards) {
      const auto now = metadata_.current();
      const auto placement = now->placements.find(id);
      if (placement == now->placements.end()) continue;
      const auto* own = placement->second.copy_on(options_.self);
      if (own == nullptr || own->role != cluster::CopyRole::kInit) continue;
      const cluster::OpenCopy command{id, placement->second.term, placement->second.isr_version, options_.self};
      if (auto decided = metadata_.propose(command); !decided) {
        spdlog::error("shard {}: its new copy could not join: {}", id.value(), decided.error().message);
      } else {
        seen = (*decided)->epoch;
      }
    }
    joining_.store(false);
  } while (metadata_.current()->epoch > seen);  // what others decided meanwhile was left to this thread
}

void LocalNodeImpl::open_wanted(const cluster::ClusterMetadata& metadata, Shards& shards) {
  for (const auto& [id, placement] : metadata.placements) {
    const auto* own = placement.copy_on(options_.self);
    if (own == nullptr) continue;
    if (const auto open = shards.find(id); open != shards.end()) {
      open->second->reconfigure(metadata.find(placement.collection)->config);
      continue;
    }
    auto shard = open_copy(metadata, placement, *own);
    const std::lock_guard lock(problems_mutex_);
    if (shard) {
      problems_.erase(id);
      shards.emplace(id, std::move(*shard));
    } else {
      auto text =
          fmt::format("shard {} of collection '{}': {}", id.value(), placement.collection, shard.error().message);
      if (problems_[id] != text) spdlog::error("{}", text);
      problems_[id] = std::move(text);
    }
  }
}

Result<std::shared_ptr<shard::Shard>> LocalNodeImpl::open_copy(const cluster::ClusterMetadata& metadata,
                                                               const cluster::ShardPlacement& placement,
                                                               const cluster::CopyRecord& own) {
  const auto known = copies_->copies().find(placement.shard);
  storage::CopyNumber copy = 0;
  if (known != copies_->copies().end()) {
    copy = known->second;
  } else if (own.role == cluster::CopyRole::kInit) {
    ASSIGN_OR_RETURN(copy, copies_->allocate(placement.shard));
  } else {
    return Error{ErrorType::kShardUnavailable, "its data is not in the data directory (lost)"};
  }
  shard::ShardOptions options;
  options.id = placement.shard;
  options.collection = metadata.find(placement.collection)->config;
  options.directory = directory_of(placement.shard);
  options.graph_threshold = options_.graph_threshold;
  options.tail_limit = options_.tail_limit;
  options.compaction_threshold = options_.compaction_threshold;
  ASSIGN_OR_RETURN(auto shard, shard::open_shard(std::move(options), database_.open_store(copy), shard_metrics_));
  return std::shared_ptr<shard::Shard>(std::move(shard));
}

void LocalNodeImpl::drop_unwanted(const cluster::ClusterMetadata& metadata, Shards& shards) {
  std::vector<ShardId> unwanted;
  for (const auto& [id, copy] : copies_->copies()) {
    if (metadata.placements.count(id) == 0) unwanted.push_back(id);
  }
  for (const auto& id : unwanted) {
    shards.erase(id);
    if (auto dropped = copies_->drop(id); !dropped) {
      spdlog::error("shard {}: its data could not be dropped (retried later): {}", id.value(), dropped.error().message);
      continue;
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_of(id), ignored);
    const std::lock_guard lock(problems_mutex_);
    problems_.erase(id);
  }
}

std::vector<std::string> LocalNodeImpl::problems() const {
  const std::lock_guard lock(problems_mutex_);
  std::vector<std::string> lines;
  if (!registry_problem_.empty()) lines.push_back(registry_problem_);
  for (const auto& [id, text] : problems_) lines.push_back(text);
  return lines;
}

void LocalNodeImpl::stop() {
  maintenance_.stop();
  write_lane_.stop();
  for (const auto& [id, shard] : *shards_.get()) {
    if (auto saved = shard->save(); !saved) {
      spdlog::warn("shard {}: index not saved, it is rebuilt on the next start: {}", id.value(), saved.error().message);
    }
  }
}

peer::ShardWriteReply LocalNodeImpl::write_one(const peer::ShardWrite& write) {
  const auto shard = find(write.shard);
  if (!shard) return {write.shard, unavailable(write.shard, options_.self)};
  auto outcomes = shard->write(write.ops);
  return {write.shard, std::move(outcomes), shard->stats().sequence};
}

std::vector<peer::ShardWriteReply> LocalNodeImpl::write(std::vector<peer::ShardWrite> writes) {
  std::vector<std::optional<peer::ShardWriteReply>> outcomes(writes.size());
  std::latch done(static_cast<std::ptrdiff_t>(writes.size()));
  // Shards sync side by side: the first on this thread, the others on the lane (or here, when it is full).
  for (std::size_t i = 1; i < writes.size(); ++i) {
    auto task = [&, i] {
      outcomes[i] = write_one(writes[i]);
      done.count_down();
    };
    if (!write_lane_.try_post(task)) task();
  }
  if (!writes.empty()) {
    outcomes[0] = write_one(writes[0]);
    done.count_down();
  }
  done.wait();
  maintenance_.poke();
  std::vector<peer::ShardWriteReply> replies;
  replies.reserve(writes.size());
  for (auto& outcome : outcomes) replies.push_back(*std::move(outcome));
  return replies;
}

std::vector<peer::ShardSearchReply> LocalNodeImpl::search(std::span<const ShardId> shards, const SearchQuery& query) {
  std::vector<peer::ShardSearchReply> replies;
  replies.reserve(shards.size());
  for (const auto& id : shards) {
    const auto shard = find(id);
    if (shard) {
      replies.push_back({id, shard->search(query)});
    } else {
      replies.push_back({id, unavailable(id, options_.self)});
    }
  }
  return replies;
}

Result<std::vector<peer::ShardReport>> LocalNodeImpl::report() {
  std::vector<peer::ShardReport> reports;
  for (const auto& [id, shard] : *shards_.get()) {
    auto stats = shard->stats();
    peer::ShardReport report;
    report.shard = id;
    report.vectors = stats.vectors;
    report.indexed = stats.indexed;
    report.pending = stats.pending;
    report.tombstones = stats.tombstones;
    report.sequence = stats.sequence;
    report.code_bytes = stats.code_bytes;
    report.graph_bytes = stats.graph_bytes;
    report.vector_bytes = stats.vector_bytes;
    report.payload_bytes = stats.payload_bytes;
    report.oldest_pending_seconds = stats.oldest_pending_seconds;
    report.indexed_paths = std::move(stats.indexed_paths);
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace

std::unique_ptr<LocalNode> make_local_node(LocalNodeOptions options, storage::Database& database,
                                           cluster::MetadataLog& metadata, MetricsRegistry& registry) {
  return std::make_unique<LocalNodeImpl>(std::move(options), database, metadata, registry);
}

}  // namespace vectorizer::node
