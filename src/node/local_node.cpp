#include "vectorizer/node/local_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>

#include "copy_digest.hpp"
#include "copy_opener.hpp"
#include "copy_registry.hpp"
#include "hosted_copy.hpp"
#include "incoming_checkpoints.hpp"
#include "maintenance.hpp"
#include "node_snapshots.hpp"
#include "shard_tasks.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/base/published.hpp"
#include "vectorizer/replication/checkpoint_receiver.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;
using cluster::ShardPlacement;
using Metadata = std::shared_ptr<const ClusterMetadata>;
using Hosted = std::shared_ptr<const HostedCopy>;

Error unavailable(const ShardId& shard, const NodeId& node) {
  return Error{ErrorType::kShardUnavailable,
               fmt::format("Shard not found or not assigned: shard {} on node '{}'", shard.value(), node.value())}
      .with("shard_id", shard.value())
      .with("node", node.value());
}

Error session_lost(const ShardId& shard, const LogPosition& here, const LogPosition& wanted) {
  return Error{
      ErrorType::kSessionLost,
      fmt::format("shard {} has not what X-Session-Token says was written: it is at {} of term {}, the token at {} of "
                  "term {}",
                  shard.value(), here.sequence, here.term, wanted.sequence, wanted.term)}
      .with("shard_id", shard.value());
}

/// All operation logs of the node may take 5 % of its disk, at most 16 GiB.
replication::HeartbeatOptions heartbeat_options(const std::filesystem::path& data_dir) {
  replication::HeartbeatOptions options;
  std::error_code problem;
  const auto space = std::filesystem::space(data_dir, problem);
  if (!problem) options.log_bytes = std::min<std::uint64_t>(options.log_bytes, space.capacity / 20);
  return options;
}

class LocalNodeImpl final : public LocalNode {
 public:
  LocalNodeImpl(LocalNodeOptions options, storage::Database& database, cluster::MetadataLog& metadata,
                MetricsRegistry& registry)
      : options_(std::move(options)),
        database_(database),
        metadata_(metadata),
        shard_metrics_(registry),
        heartbeat_(options_.replication
                       ? std::make_unique<replication::Heartbeat>(heartbeat_options(options_.data_dir), registry)
                       : nullptr),
        opener_(options_, database_, metadata_, shard_metrics_, heartbeat_.get(),
                [this](const ShardId& shard, std::uint64_t copy, const NodeId& primary, std::uint64_t term) {
                  fetches_.start(shard, [=, this] { fetch_checkpoint(shard, copy, primary, term); });
                }),
        copies_(std::make_shared<const HostedCopies>()),
        shards_(std::make_shared<const Maintenance::Shards>()),
        write_lane_("shard-write", options_.write_threads, kWriteQueue),
        incoming_(options_.replication ? options_.replication->recovery_bytes_per_second : 0, registry),
        fetches_("checkpoint", kCheckpointsAtOnce),
        handovers_("handover", 1),
        snapshots_(snapshot_options(options_), database_, metadata_, reconcile_mutex_),
        maintenance_(options_.index_threads, [this] { return shards_.get(); }) {}

  ~LocalNodeImpl() override { stop(); }

  void reconcile(const Metadata& metadata) override;
  bool follows(std::uint64_t epoch, std::chrono::milliseconds timeout) override;
  std::vector<std::string> problems() const override;
  std::vector<std::string> warnings() const override;
  std::vector<peer::CopyStatus> copies() const override;
  std::vector<peer::CopyPosition> positions() override;
  std::chrono::milliseconds longest_disk_wait() const override {
    const auto queued = heartbeat_ ? heartbeat_->longest_disk_wait() : std::chrono::milliseconds(0);
    return std::max(queued, database_.longest_write());
  }
  void hand_over(std::chrono::milliseconds timeout) override;
  void stop() override;

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override;
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override;
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds> wanted, const Projection& what,
                                                       const ReadFrom& from) override;
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                        const ReadFrom& from) override;
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards,
                                                     const std::optional<Filter>& filter,
                                                     const ReadFrom& from) override;
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override {
    return read(shard, ReadFrom(), [&](const shard::Shard& found) { return found.matching(filter, after, limit); });
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override;
  Result<peer::ShardDigest> digest(const ShardId& shard) override;
  Result<std::vector<peer::SnapshotInfo>> snapshot(const peer::SnapshotOrder& order) override {
    return snapshots_.handle(order);
  }

  void replicate(peer::ReplicateRequest request, OnReply on_reply) override;
  Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) override;

 private:
  static constexpr std::size_t kWriteQueue = 1U << 16;
  static constexpr std::chrono::milliseconds kHandOverOne{1000};
  static constexpr std::size_t kCheckpointsAtOnce = 2;
  static constexpr std::chrono::milliseconds kDigestWait{1000};
  /// How long a read waits for a copy that lags behind its session, and how many of them may hold a thread so.
  static constexpr std::chrono::milliseconds kSessionWait{1000};
  static constexpr int kSessionWaiters = 4;

  Hosted find(const ShardId& shard) const {
    const auto copies = copies_.get();
    const auto found = copies->find(shard);
    return found == copies->end() ? nullptr : found->second;
  }
  /// A read of one copy: allowed before it, and, as the primary's, still allowed after it.
  template <typename Read>
  auto read(const ShardId& shard, const ReadFrom& from, const Read& what) const
      -> decltype(what(std::declval<const shard::Shard&>())) {
    RETURN_IF_ERROR(from.deadline.check());
    const auto hosted = find(shard);
    if (!hosted) return unavailable(shard, options_.self);
    if (const auto position = from.session.find(shard); position != from.session.end()) {
      RETURN_IF_ERROR(wait_for_session(shard, *hosted, position->second, from.deadline));
    }
    if (!hosted->group) return what(*hosted->shard);
    const bool primary = from.consistency == Consistency::kPrimary;
    const auto consistency = primary ? replication::ReadConsistency::kPrimary : replication::ReadConsistency::kAny;
    RETURN_IF_ERROR(hosted->group->readable(consistency));
    auto result = what(*hosted->shard);
    if (primary) RETURN_IF_ERROR(hosted->group->readable(consistency));
    return result;
  }
  Result<void> wait_for_session(const ShardId& shard, const HostedCopy& hosted, const LogPosition& position,
                                const Deadline& deadline) const;
  peer::ShardWriteReply write_one(const peer::ShardWrite& write);
  peer::ShardReport report_of(const ShardId& shard, const HostedCopy& hosted) const;

  /// @param to empty for any other copy in sync
  bool hand_over_one(const ShardId& shard, const HostedCopy& hosted, std::chrono::milliseconds timeout,
                     const NodeId& to);
  void hand_over_what_moves(const ClusterMetadata& metadata);

  /// Whether the metadata is older than the copy that is here: it says nothing of that shard.
  bool past(const ClusterMetadata& metadata, const ShardId& shard) const;
  /// The copy that the metadata gives to this disk.
  const CopyRecord* mine(const ShardPlacement& placement) const;
  Result<void> load_registry();
  void publish(HostedCopies copies);
  void close_unwanted(const ClusterMetadata& metadata, HostedCopies& copies);
  void open_wanted(const ClusterMetadata& metadata, HostedCopies& copies);
  Result<Hosted> open_copy(const ClusterMetadata& metadata, const ShardPlacement& placement, const CopyRecord& copy);
  void drop_unwanted(const ClusterMetadata& metadata);
  void remove_leftover_directories() const;
  void open_shards_led_here(const ClusterMetadata& metadata);
  void note(const ShardId& shard, std::string problem);

  void fetch_checkpoint(const ShardId& shard, std::uint64_t copy, const NodeId& primary, std::uint64_t term);
  void go_on_without_checkpoint(const ShardId& shard, std::uint64_t copy) const;
  replication::CheckpointTarget target_of(storage::CopyNumber number) const;
  Result<void> receive(const ShardId& shard, const NodeId& primary, std::uint64_t term, storage::CopyNumber number);
  Result<void> go_live(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number);

  const LocalNodeOptions options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  shard::ShardMetrics shard_metrics_;
  const std::unique_ptr<replication::Heartbeat> heartbeat_;  // null on a single node
  CopyOpener opener_;

  std::mutex reconcile_mutex_;  // one reconciliation at a time; guards registry_ and what copies_ is set to
  std::optional<CopyRegistry> registry_;
  std::uint64_t reconciled_epoch_ = 0;

  std::mutex followed_mutex_;
  std::condition_variable followed_;  // followed_epoch_ has grown
  std::uint64_t followed_epoch_ = 0;  // guarded by followed_mutex_

  mutable std::mutex problems_mutex_;
  std::map<ShardId, std::string> problems_;       // guarded by problems_mutex_
  std::map<ShardId, peer::CopyStatus> not_open_;  // likewise: copies that could not be opened, as beats report them
  std::string registry_problem_;                  // likewise; empty when there is none

  std::mutex digest_mutex_;
  std::condition_variable digest_ended_;  // digesting_ was cleared
  bool digesting_ = false;                // guarded by digest_mutex_: a copy is being read for its digest

  mutable std::atomic<int> session_waiters_ = 0;

  Published<HostedCopies> copies_;
  Published<Maintenance::Shards> shards_;
  Lane write_lane_;
  IncomingCheckpoints incoming_;
  ShardTasks fetches_;    // checkpoints on their way to this node
  ShardTasks handovers_;  // of shards whose primary is to be another copy
  NodeSnapshots snapshots_;
  Maintenance maintenance_;
};

// ---- The copies of this node, as the metadata says ----

void LocalNodeImpl::reconcile(const Metadata& metadata) {
  {
    const std::lock_guard lock(reconcile_mutex_);
    if (metadata->epoch < reconciled_epoch_) return;
    reconciled_epoch_ = metadata->epoch;
    if (auto loaded = load_registry(); !loaded) return;
    auto copies = *copies_.get();
    close_unwanted(*metadata, copies);
    open_wanted(*metadata, copies);
    publish(std::move(copies));
    drop_unwanted(*metadata);
  }
  {
    const std::lock_guard lock(followed_mutex_);
    followed_epoch_ = std::max(followed_epoch_, metadata->epoch);
  }
  followed_.notify_all();
  open_shards_led_here(*metadata);
  hand_over_what_moves(*metadata);
  maintenance_.poke();
}

bool LocalNodeImpl::follows(std::uint64_t epoch, std::chrono::milliseconds timeout) {
  std::unique_lock lock(followed_mutex_);
  return followed_.wait_for(lock, timeout, [&] { return followed_epoch_ >= epoch; });
}

Result<void> LocalNodeImpl::load_registry() {
  if (registry_) return {};
  auto loaded = CopyRegistry::load(database_);
  const std::lock_guard lock(problems_mutex_);
  if (!loaded) {
    registry_problem_ = fmt::format("cannot read which shards this node holds: {}", loaded.error().message);
    spdlog::error("{}", registry_problem_);
    return loaded.error();
  }
  registry_problem_.clear();
  registry_.emplace(std::move(*loaded));
  remove_leftover_directories();
  return {};
}

/// Of copies that a crash kept from being removed whole.
void LocalNodeImpl::remove_leftover_directories() const {
  std::set<std::string> wanted;
  for (const auto& [shard, copy] : registry_->copies()) wanted.insert(std::to_string(copy.number));
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(options_.data_dir / "index", problem)) {
    std::error_code ignored;
    if (!wanted.contains(entry.path().filename().string())) std::filesystem::remove_all(entry.path(), ignored);
  }
}

const CopyRecord* LocalNodeImpl::mine(const ShardPlacement& placement) const {
  const auto* copy = placement.copy_on(options_.self);
  const bool other_disk = copy != nullptr && options_.replication && copy->node_uuid != options_.replication->node_uuid;
  return other_disk ? nullptr : copy;
}

bool LocalNodeImpl::past(const ClusterMetadata& metadata, const ShardId& shard) const {
  const auto found = registry_->copies().find(shard);
  return found != registry_->copies().end() && metadata.epoch < found->second.epoch;
}

void LocalNodeImpl::publish(HostedCopies copies) {
  auto shards = std::make_shared<Maintenance::Shards>();
  for (const auto& [id, hosted] : copies) shards->emplace(id, hosted->shard);
  copies_.set(std::make_shared<const HostedCopies>(std::move(copies)));
  shards_.set(std::move(shards));
}

void LocalNodeImpl::note(const ShardId& shard, std::string problem) {
  const std::lock_guard lock(problems_mutex_);
  if (problem.empty()) {
    problems_.erase(shard);
    not_open_.erase(shard);
    return;
  }
  if (problems_[shard] != problem) spdlog::error("{}", problem);
  problems_[shard] = std::move(problem);
}

void LocalNodeImpl::close_unwanted(const ClusterMetadata& metadata, HostedCopies& copies) {
  std::erase_if(copies, [&](const auto& item) {
    if (past(metadata, item.first)) return false;
    const auto placement = metadata.placements.find(item.first);
    const auto* copy = placement == metadata.placements.end() ? nullptr : mine(placement->second);
    if (copy != nullptr && copy->id == item.second->id) return false;
    opener_.close(*item.second);
    return true;
  });
}

void LocalNodeImpl::open_wanted(const ClusterMetadata& metadata, HostedCopies& copies) {
  for (const auto& [id, placement] : metadata.placements) {
    const auto* copy = mine(placement);
    if (copy == nullptr || past(metadata, id)) continue;
    if (const auto open = copies.find(id); open != copies.end()) {
      open->second->shard->reconfigure(metadata.find(placement.collection)->config);
      if (open->second->group) open->second->group->reconcile(placement);
      continue;
    }
    auto hosted = open_copy(metadata, placement, *copy);
    if (hosted) {
      copies.emplace(id, std::move(*hosted));
      note(id, "");
      continue;
    }
    note(id, fmt::format("shard {} of collection '{}': {}", id.value(), placement.collection, hosted.error().message));
    const std::lock_guard lock(problems_mutex_);
    auto& status = not_open_[id];
    status.shard = id;
    status.copy = copy->id;
    status.failed = true;
  }
}

Result<Hosted> LocalNodeImpl::open_copy(const ClusterMetadata& metadata, const ShardPlacement& placement,
                                        const CopyRecord& copy) {
  const auto& config = metadata.find(placement.collection)->config;
  const auto known = registry_->copies().find(placement.shard);
  const bool held = known != registry_->copies().end() && (known->second.id == copy.id || known->second.id == 0);
  if (held) return opener_.open(config, placement, copy, known->second.number);
  if (copy.role != CopyRole::kInit && copy.role != CopyRole::kRecovering) {
    return Error{ErrorType::kShardUnavailable, "its data is not in the data directory (lost)"};
  }
  ASSIGN_OR_RETURN(const auto number, registry_->allocate());
  RETURN_IF_ERROR(registry_->record(placement.shard, {number, copy.id, metadata.epoch}));
  return opener_.open(config, placement, copy, number);
}

void LocalNodeImpl::drop_unwanted(const ClusterMetadata& metadata) {
  std::vector<std::pair<ShardId, storage::CopyNumber>> unwanted;
  for (const auto& [id, local] : registry_->copies()) {
    if (past(metadata, id)) continue;
    const auto placement = metadata.placements.find(id);
    const auto* copy = placement == metadata.placements.end() ? nullptr : mine(placement->second);
    if (copy == nullptr || (local.id != 0 && local.id != copy->id)) unwanted.emplace_back(id, local.number);
  }
  for (const auto& [id, number] : unwanted) {
    if (auto dropped = registry_->drop(id); !dropped) {
      spdlog::error("shard {}: its data could not be dropped (retried later): {}", id.value(), dropped.error().message);
      continue;
    }
    std::error_code ignored;
    std::filesystem::remove_all(opener_.directory_of(number), ignored);
    note(id, "");
  }
}

/// A shard that was just created is open once the empty copy of its primary is in sync.
void LocalNodeImpl::open_shards_led_here(const ClusterMetadata& metadata) {
  for (const auto& [id, placement] : metadata.placements) {
    const auto* copy = mine(placement);
    if (copy == nullptr || copy->role != CopyRole::kInit || placement.primary != options_.self || !find(id)) continue;
    const auto decided = metadata_.propose(cluster::OpenCopy{id, placement.term, placement.isr_version, options_.self});
    if (!decided) {
      spdlog::warn("shard {}: its new copy could not join: {}", id.value(), decided.error().message);
    }
  }
}

/// A move whose target has everything, and whose source is the primary here, waits for this node. Tried again with the
/// next reconciliation.
void LocalNodeImpl::hand_over_what_moves(const ClusterMetadata& metadata) {
  for (const auto& [id, migration] : metadata.migrations) {
    const auto& move = migration.move;
    if (migration.state != cluster::MoveState::kRunning || move.from != options_.self) continue;
    const auto placement = metadata.placements.find(move.shard);
    if (placement == metadata.placements.end() || placement->second.primary != options_.self) continue;
    const auto* target = placement->second.copy_on(move.to);
    const bool ready = target != nullptr && target->role == CopyRole::kInSync && metadata.live(*target);
    if (!ready || metadata.migration_of(move.shard) != &migration) continue;
    handovers_.start(move.shard, [this, shard = move.shard, to = move.to] {
      const auto hosted = find(shard);
      if (!hosted || !hosted->group || !hosted->group->stats().leading) return;
      const bool done = hand_over_one(shard, *hosted, kHandOverOne, to);
      spdlog::info("shard {}: {} to node '{}'", shard.value(), done ? "handed over" : "not yet handed over",
                   to.value());
    });
  }
}

// ---- Checkpoints from a primary ----

void LocalNodeImpl::fetch_checkpoint(const ShardId& shard, std::uint64_t copy, const NodeId& primary,
                                     std::uint64_t term) {
  storage::CopyNumber number = 0;
  {
    const std::lock_guard lock(reconcile_mutex_);
    auto allocated = registry_->allocate();
    if (!allocated) {
      spdlog::error("shard {}: no room for a checkpoint: {}", shard.value(), allocated.error().message);
      return go_on_without_checkpoint(shard, copy);
    }
    number = *allocated;
  }
  spdlog::info("shard {}: fetches a checkpoint from node '{}'", shard.value(), primary.value());
  auto outcome = receive(shard, primary, term, number);
  if (outcome) outcome = go_live(shard, copy, number);
  if (outcome) return;
  spdlog::warn("shard {}: the checkpoint of node '{}' was not taken over: {}", shard.value(), primary.value(),
               outcome.error().message);
  go_on_without_checkpoint(shard, copy);
  const std::lock_guard lock(reconcile_mutex_);
  if (auto discarded = registry_->discard(number); !discarded) spdlog::error("{}", discarded.error().message);
  std::error_code ignored;
  std::filesystem::remove_all(opener_.directory_of(number), ignored);
}

void LocalNodeImpl::go_on_without_checkpoint(const ShardId& shard, std::uint64_t copy) const {
  const auto hosted = find(shard);
  if (hosted && hosted->group && hosted->id == copy) hosted->group->checkpoint_failed();
}

replication::CheckpointTarget LocalNodeImpl::target_of(storage::CopyNumber number) const {
  return {&database_, number, opener_.directory_of(number) / shard::kSavedIndexFile};
}

Result<void> LocalNodeImpl::receive(const ShardId& shard, const NodeId& primary, std::uint64_t term,
                                    storage::CopyNumber number) {
  const auto source = options_.replication->peers->replication(primary);
  if (!source) {
    return Error{ErrorType::kNodeUnreachable, fmt::format("Failed to get client for node '{}'", primary.value())};
  }
  const auto directory = opener_.directory_of(number);
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot create {}: {}", directory.string(), problem.message())};
  }
  const auto measured = incoming_.measured(*source);
  ASSIGN_OR_RETURN(const auto at, replication::receive_checkpoint(*measured, shard, term, target_of(number)));
  spdlog::info("shard {}: has a checkpoint of sequence {}, term {}", shard.value(), at.sequence, at.term);
  return {};
}

Result<void> LocalNodeImpl::go_live(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number) {
  const std::lock_guard lock(reconcile_mutex_);
  const auto metadata = metadata_.current();
  const auto placement = metadata->placements.find(shard);
  const auto* wanted = placement == metadata->placements.end() ? nullptr : mine(placement->second);
  if (wanted == nullptr || wanted->id != copy) return Error{ErrorType::kConflict, "the copy is not wanted any more"};
  auto copies = *copies_.get();
  std::optional<storage::CopyNumber> before;
  if (const auto old = copies.find(shard); old != copies.end()) {
    before = old->second->number;
    // What the old copy has seen of terms binds the new one: it must not follow a primary that the old one had refused.
    const auto handed_on = replication::hand_on(*old->second->group, target_of(number));
    opener_.close(*old->second);
    copies.erase(old);
    publish(copies);
    if (!handed_on) return handed_on.error();  // the next reconciliation opens the old one again
  }
  RETURN_IF_ERROR(registry_->record(shard, {number, copy, metadata->epoch}));
  if (before) {
    std::error_code ignored;
    std::filesystem::remove_all(opener_.directory_of(*before), ignored);
  }
  auto hosted = open_copy(*metadata, placement->second, *wanted);
  if (!hosted) {
    note(shard, fmt::format("shard {}: {}", shard.value(), hosted.error().message));
    return {};  // its data is complete: the next reconciliation tries again
  }
  copies.emplace(shard, std::move(*hosted));
  publish(std::move(copies));
  note(shard, "");
  return {};
}

// ---- What it says of itself ----

std::vector<std::string> LocalNodeImpl::problems() const {
  std::vector<std::string> lines;
  {
    const std::lock_guard lock(problems_mutex_);
    if (!registry_problem_.empty()) lines.push_back(registry_problem_);
    for (const auto& [id, text] : problems_) lines.push_back(text);
  }
  const auto copies = copies_.get();
  const auto metadata = metadata_.current();
  for (const auto& [id, hosted] : *copies) {
    if (!hosted->group) continue;
    const auto placement = metadata->placements.find(id);
    const bool led_here = placement != metadata->placements.end() && placement->second.primary == options_.self;
    if (auto problem = hosted->group->problem(); !problem.empty()) {
      lines.push_back(fmt::format("shard {}: {}", id.value(), problem));
    } else if (led_here && !hosted->group->stats().open) {
      lines.push_back(fmt::format("shard {}: its primary, here, is taking over", id.value()));
    }
  }
  return lines;
}

std::vector<std::string> LocalNodeImpl::warnings() const {
  std::vector<std::string> lines;
  const auto copies = copies_.get();
  for (const auto& [id, hosted] : *copies) {
    if (auto problem = hosted->shard->stats().problem; !problem.empty()) {
      lines.push_back(fmt::format("shard {}: {}", id.value(), problem));
    }
  }
  return lines;
}

std::vector<peer::CopyStatus> LocalNodeImpl::copies() const {
  std::vector<peer::CopyStatus> statuses;
  const auto copies = copies_.get();
  for (const auto& [id, hosted] : *copies) {
    if (hosted->group) statuses.push_back(hosted->group->status());
  }
  const std::lock_guard lock(problems_mutex_);
  for (const auto& [id, status] : not_open_) statuses.push_back(status);
  return statuses;
}

std::vector<peer::CopyPosition> LocalNodeImpl::positions() {
  const std::lock_guard lock(reconcile_mutex_);
  std::vector<peer::CopyPosition> positions;
  if (auto loaded = load_registry(); !loaded) return positions;
  for (const auto& [shard, copy] : registry_->copies()) {
    const auto log = database_.open_log(copy.number);
    if (log && copy.id != 0) positions.push_back({copy.id, (*log)->term(), (*log)->last().sequence});
  }
  return positions;
}

void LocalNodeImpl::hand_over(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::size_t given = 0, kept = 0;
  const auto copies = copies_.get();
  for (const auto& [id, hosted] : *copies) {
    if (!hosted->group || !hosted->group->stats().leading) continue;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const bool done = left.count() > 0 && hand_over_one(id, *hosted, left, NodeId());
    ++(done ? given : kept);
  }
  if (given + kept > 0) spdlog::info("handed over {} shards, {} are left to be taken over", given, kept);
}

bool LocalNodeImpl::hand_over_one(const ShardId& shard, const HostedCopy& hosted, std::chrono::milliseconds timeout,
                                  const NodeId& to) {
  const auto metadata = metadata_.current();
  const auto found = metadata->placements.find(shard);
  if (found == metadata->placements.end()) return true;
  const auto& placement = found->second;
  const auto target = std::find_if(placement.copies.begin(), placement.copies.end(), [&](const CopyRecord& copy) {
    if (!to.value().empty() && copy.node != to) return false;
    return copy.node != options_.self && copy.role == CopyRole::kInSync && metadata->live(copy);
  });
  if (target == placement.copies.end()) return false;
  if (!hosted.group->hand_over(std::min(timeout, kHandOverOne))) {
    hosted.group->resume();
    return false;
  }
  const auto decided = metadata_.propose(cluster::Promote{shard, placement.term, placement.isr_version, target->node});
  if (!decided) hosted.group->resume();
  return static_cast<bool>(decided);
}

void LocalNodeImpl::stop() {
  incoming_.stop();
  fetches_.stop();
  handovers_.stop();
  snapshots_.stop();
  maintenance_.stop();
  const auto copies = copies_.get();
  for (const auto& [id, hosted] : *copies) opener_.close(*hosted);
  write_lane_.stop();
  if (heartbeat_) heartbeat_->stop();
  for (const auto& [id, hosted] : *copies) {
    if (auto saved = hosted->shard->save(); !saved) {
      spdlog::warn("shard {}: index not saved, it is rebuilt on the next start: {}", id.value(), saved.error().message);
    }
  }
}

peer::ShardReport LocalNodeImpl::report_of(const ShardId& shard, const HostedCopy& hosted) const {
  const auto coming = incoming_.of(shard);
  return {hosted.shard->stats(), shard, coming.bytes, coming.seconds};
}

Result<std::vector<peer::ShardReport>> LocalNodeImpl::report(std::span<const ShardId> shards) {
  const auto here = copies_.get();
  std::vector<peer::ShardReport> reports;
  if (shards.empty()) {
    for (const auto& [id, hosted] : *here) reports.push_back(report_of(id, *hosted));
  }
  for (const auto& id : shards) {
    if (const auto found = here->find(id); found != here->end()) reports.push_back(report_of(id, *found->second));
  }
  return reports;
}

/// One at a time: it reads a copy whole, and is in no hurry.
Result<peer::ShardDigest> LocalNodeImpl::digest(const ShardId& shard) {
  const auto hosted = find(shard);
  if (!hosted) return unavailable(shard, options_.self);
  {
    std::unique_lock lock(digest_mutex_);
    if (!digest_ended_.wait_for(lock, kDigestWait, [this] { return !digesting_; })) {
      return Error{ErrorType::kOverloaded, "another copy is being read for its digest"};
    }
    digesting_ = true;
  }
  auto digest = copy_digest(database_, hosted->number);
  {
    const std::lock_guard lock(digest_mutex_);
    digesting_ = false;
  }
  digest_ended_.notify_one();
  return digest;
}

// ---- Requests ----

peer::ShardWriteReply LocalNodeImpl::write_one(const peer::ShardWrite& write) {
  const auto hosted = find(write.shard);
  if (!hosted) return {write.shard, unavailable(write.shard, options_.self)};
  auto outcomes = hosted->shard->write(write.ops, write.stamp);
  return {write.shard, std::move(outcomes), hosted->shard->stats().sequence};
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

Result<void> LocalNodeImpl::wait_for_session(const ShardId& shard, const HostedCopy& hosted,
                                             const LogPosition& position, const Deadline& deadline) const {
  if (!hosted.group) {  // the only copy: what it has is all there is
    const auto metadata = metadata_.current();
    const auto placement = metadata->placements.find(shard);
    const std::uint64_t term = placement == metadata->placements.end() ? 0 : placement->second.term;
    const std::uint64_t sequence = hosted.shard->stats().sequence;
    if (position.term <= term && position.sequence <= sequence) return {};
    return session_lost(shard, {.sequence = sequence, .term = term}, position);
  }
  const bool may_wait = ++session_waiters_ <= kSessionWaiters;
  const auto left = deadline.at() - Deadline::Clock::now();
  const auto wait = std::min<Deadline::Clock::duration>(left, may_wait ? kSessionWait : std::chrono::milliseconds(0));
  auto seen = hosted.group->wait_applied(position, std::chrono::duration_cast<std::chrono::milliseconds>(wait));
  --session_waiters_;
  return seen;
}

std::vector<peer::ShardSearchReply> LocalNodeImpl::search(std::span<const ShardId> shards, const SearchQuery& query) {
  const ReadFrom from{query.consistency, query.session, query.deadline};
  std::vector<peer::ShardSearchReply> replies;
  replies.reserve(shards.size());
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) { return found.search(query); })});
  }
  return replies;
}

std::vector<peer::ShardReply<peer::ShardPoints>> LocalNodeImpl::get(std::span<const peer::ShardIds> wanted,
                                                                    const Projection& what, const ReadFrom& from) {
  std::vector<peer::ShardReply<peer::ShardPoints>> replies;
  for (const auto& [id, ids] : wanted) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) { return found.get(ids, what); })});
  }
  return replies;
}

std::vector<peer::ShardReply<peer::ShardPage>> LocalNodeImpl::scroll(std::span<const ShardId> shards,
                                                                     const ScrollQuery& query, const ReadFrom& from) {
  std::vector<peer::ShardReply<peer::ShardPage>> replies;
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) -> Result<peer::ShardPage> {
                         ASSIGN_OR_RETURN(auto page, found.scroll(query));
                         return peer::ShardPage{std::move(page.points), page.complete};
                       })});
  }
  return replies;
}

std::vector<peer::ShardReply<std::uint64_t>> LocalNodeImpl::count(std::span<const ShardId> shards,
                                                                  const std::optional<Filter>& filter,
                                                                  const ReadFrom& from) {
  std::vector<peer::ShardReply<std::uint64_t>> replies;
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) { return found.count(filter); })});
  }
  return replies;
}

void LocalNodeImpl::replicate(peer::ReplicateRequest request, OnReply on_reply) {
  const auto hosted = find(request.shard);
  if (hosted && hosted->group && hosted->id == request.copy) return on_reply(hosted->group->handle(request));
  peer::ReplicateReply reply;
  reply.outcome = peer::ReplicateReply::Outcome::kNotHere;
  on_reply(reply);
}

Result<void> LocalNodeImpl::fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) {
  const auto hosted = find(shard);
  if (!hosted || !hosted->group) return unavailable(shard, options_.self);
  return hosted->group->send_checkpoint(term, sink);
}

}  // namespace

std::unique_ptr<LocalNode> make_local_node(LocalNodeOptions options, storage::Database& database,
                                           cluster::MetadataLog& metadata, MetricsRegistry& registry) {
  return std::make_unique<LocalNodeImpl>(std::move(options), database, metadata, registry);
}

}  // namespace vectorizer::node
