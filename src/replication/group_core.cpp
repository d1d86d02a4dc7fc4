#include "group_core.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "busy_scope.hpp"
#include "replicated_store.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {

using cluster::CopyRole;

namespace {

constexpr std::chrono::seconds kPruneInterval{1};

/// A copy that was alone until now has points and no log: its log begins where they end.
Result<void> begin_log(storage::OperationLog& log, const storage::ShardStore& points,
                       const cluster::ShardPlacement& placement) {
  const std::uint64_t applied = points.applied_sequence();
  const std::uint64_t last = log.last().sequence;
  if (applied <= last) return {};
  if (last == 0) return log.begin_at({applied, placement.term}, log.term());
  return Error{ErrorType::kInternal, fmt::format("shard {}: its points go to {} and its log ends at {}",
                                                 placement.shard.value(), applied, last)};
}

}  // namespace

Result<std::shared_ptr<ReplicaGroup>> ReplicaGroup::open(CopyIdentity identity,
                                                         std::unique_ptr<storage::OperationLog> log,
                                                         std::unique_ptr<storage::ShardStore> points,
                                                         const cluster::ShardPlacement& placement,
                                                         ReplicationOptions options, GroupPorts ports) {
  // A term that this copy has seen may be one that it led before it was opened: it does not know how far it got.
  const std::uint64_t seen = log->term();
  RETURN_IF_ERROR(begin_log(*log, *points, placement));
  auto core = std::make_shared<GroupCore>(std::move(identity), std::move(log), std::move(points), placement, options,
                                          std::move(ports));
  core->block_terms(seen);
  return std::shared_ptr<ReplicaGroup>(std::move(core));
}

GroupCore::GroupCore(CopyIdentity identity, std::unique_ptr<storage::OperationLog> log,
                     std::unique_ptr<storage::ShardStore> points, const cluster::ShardPlacement& placement,
                     const ReplicationOptions& options, GroupPorts ports)
    : identity_(std::move(identity)),
      options_(options),
      ports_(std::move(ports)),
      log_(std::move(log)),
      points_(std::move(points)),
      placement_(placement),
      applied_(std::max(points_->applied_sequence(), log_->base().sequence)),
      last_(log_->last()),
      durable_(last_.sequence),
      tail_(options.tail_bytes) {
  commit_ = applied_;
  synced_applied_ = 0;
}

std::unique_ptr<storage::ShardStore> GroupCore::store() {
  return std::make_unique<ReplicatedStore>(shared_from_this());
}

void GroupCore::attach(ApplyChanges apply, SavedIndexFile saved_index) {
  {
    const Lock lock(mutex_);
    apply_ = std::move(apply);
    saved_index_ = std::move(saved_index);
  }
  schedule_apply();
  maybe_lead();
}

void GroupCore::reconcile(const cluster::ShardPlacement& placement) {
  {
    const Lock lock(mutex_);
    const bool older = placement.term < placement_.term ||
                       (placement.term == placement_.term && placement.isr_version < placement_.isr_version);
    if (older) return;
    placement_ = placement;
    if (leading_ && placement_.term > term_) {
      fence(fmt::format("term {} has begun", placement_.term));
    } else if (leading_) {
      update_followers();
      advance_commit();
    }
  }
  schedule_apply();
  maybe_lead();
}

void GroupCore::tick() {
  std::vector<Outgoing> requests;
  {
    const Lock lock(mutex_);
    if (stopping_) return;
    const auto since = std::exchange(ticked_at_, ports_.clock->now());
    stood_still_ = (stood_still_ || (since && *ticked_at_ - *since > options_.reader_silence)) && !ports_.lease_valid();
    if (leads()) {
      for (auto& [copy, follower] : followers_.followers()) follower.dead = ports_.node_dead(follower.node);
      if (ports_.lease_valid()) heard_at_ = ports_.clock->now();
      requests = due_requests(false);
    }
    const auto now = ports_.clock->now();
    std::erase_if(pins_, [&](const auto& pin) { return pin.second.until && *pin.second.until < now; });
  }
  send(std::move(requests));
  propose_changes();
  schedule_apply();
  schedule_prune();
  maybe_lead();
}

void GroupCore::fence(const std::string& why) {
  if (!leading_) return;
  spdlog::warn("shard {}: no longer its primary at term {}: {}", identity_.shard.value(), term_, why);
  leading_ = open_ = handing_over_ = false;
  blocked_term_ = std::max(blocked_term_, term_);
  heard_at_.reset();
  followers_.clear();
  ++fenced_;
  changed_.notify_all();
}

void GroupCore::fail(const std::string& why) {
  fence(why);
  if (!problem_.empty()) return;
  problem_ = why;
  spdlog::error("shard {}: copy {} stops: {}", identity_.shard.value(), identity_.copy, why);
  changed_.notify_all();
}

Error GroupCore::unavailable(const std::string& why) const {
  return Error{ErrorType::kShardUnavailable,
               fmt::format("shard {} on node '{}': {}", identity_.shard.value(), identity_.node.value(), why)}
      .with("shard_id", identity_.shard.value())
      .with("node", identity_.node.value());
}

void GroupCore::note_commit(std::uint64_t commit) {
  if (commit <= commit_) return;
  commit_ = commit;
  changed_.notify_all();
}

void GroupCore::note_applied(std::uint64_t sequence) {
  const Lock lock(mutex_);
  applied_ = std::max(applied_, sequence);
  changed_.notify_all();
}

Result<std::vector<LogEntry>> GroupCore::entries_between(std::uint64_t from, std::uint64_t to, std::size_t max_bytes) {
  std::optional<std::vector<LogEntry>> found;
  {
    const Lock lock(mutex_);
    if (leading_) found = tail_.after(from, max_bytes);
  }
  if (!found) {
    ASSIGN_OR_RETURN(found, log_->read(from, max_bytes));
  }
  std::erase_if(*found, [&](const LogEntry& entry) { return entry.last > to; });
  return *std::move(found);
}

void GroupCore::schedule_apply() {
  {
    const Lock lock(mutex_);
    // A writer that waits applies what it waits for, and holds the shard until then.
    if (stopping_ || applying_ || !apply_ || waiting_writes_ > 0 || applied_ >= commit_) return;
    applying_ = true;
  }
  const bool queued = ports_.apply_lane([self = weak_from_this()] {
    if (const auto core = self.lock()) core->apply_backlog();
  });
  if (queued) return;
  const Lock lock(mutex_);
  applying_ = false;
}

void GroupCore::apply_backlog() {
  {
    BusyScope busy(*this);
    constexpr int kBatches = 64;  // then others have their turn
    for (int i = 0; busy && i < kBatches && apply_some(); ++i) {
    }
  }
  const Lock lock(mutex_);
  applying_ = false;  // whatever is left is taken up by the next tick
  changed_.notify_all();
}

bool GroupCore::apply_some() {
  std::uint64_t from = 0, to = 0;
  ApplyChanges apply;
  {
    const Lock lock(mutex_);
    if (stopping_ || waiting_writes_ > 0 || applied_ >= commit_) return false;
    from = applied_;
    to = commit_;
    apply = apply_;
    applier_ = std::this_thread::get_id();
  }
  const auto outcome = [&]() -> Result<std::uint64_t> {
    ASSIGN_OR_RETURN(const auto entries, entries_between(from, to, options_.apply_bytes));
    if (entries.empty()) return from;
    std::vector<storage::StoredWrite> writes;
    for (const LogEntry& entry : entries) {
      ASSIGN_OR_RETURN(auto some, storage::entry_writes(entry));
      std::move(some.begin(), some.end(), std::back_inserter(writes));
    }
    if (!writes.empty()) RETURN_IF_ERROR(apply(writes));
    return entries.back().last;
  }();
  {
    const Lock lock(mutex_);
    applier_ = {};
    if (outcome) shown_ = std::max(shown_, *outcome);
  }
  if (!outcome) {
    spdlog::error("shard {}: committed changes after {} cannot be applied yet: {}", identity_.shard.value(), from,
                  outcome.error().message);
    return false;
  }
  note_applied(*outcome);
  return *outcome > from;
}

void GroupCore::schedule_prune() {
  {
    const Lock lock(mutex_);
    const auto now = ports_.clock->now();
    if (stopping_ || pruning_ || now - pruned_at_ < kPruneInterval) return;
    pruned_at_ = now;
    pruning_ = true;
  }
  const bool queued = ports_.disk_lane([self = weak_from_this()] {
    if (const auto core = self.lock()) core->prune();
  });
  if (queued) return;
  const Lock lock(mutex_);
  pruning_ = false;
}

void GroupCore::prune() {
  if (BusyScope busy(*this); busy) {
    storage::PrunePolicy policy;
    const std::uint64_t own = log_->bytes(), share = ports_.log_share(own);
    policy.keep_bytes = std::min(options_.retention_bytes, share);
    policy.keep_after_ms = ports_.clock->wall_ms() - milliseconds(options_.retention).count();
    const Lock log_lock(log_mutex_);
    {
      const Lock lock(mutex_);
      policy.limit = std::min(synced_applied_, applied_);
      if (share < own) pins_.clear();  // transfers begin again, rather than fill the disk
      for (const auto& [id, pin] : pins_) policy.limit = std::min(policy.limit, pin.sequence);
      if (leads()) policy.needed_after = followers_.on_every_copy(durable_);
    }
    if (const auto pruned = log_->prune(policy); !pruned) {
      spdlog::warn("shard {}: its log is not pruned: {}", identity_.shard.value(), pruned.error().message);
    }
  }
  const Lock lock(mutex_);
  pruning_ = false;
}

Result<void> GroupCore::readable(ReadConsistency consistency) const {
  const Lock lock(mutex_);
  if (stopping_) return unavailable("it is being closed");
  if (!problem_.empty()) return unavailable(problem_);
  if (consistency == ReadConsistency::kPrimary) return answers_as_primary();
  const auto* own = own_record();
  if (own == nullptr || own->role != CopyRole::kInSync) return unavailable("this copy is not in sync");
  const auto now = ports_.clock->now();
  const auto long_ago = [&](const auto& at) { return now - *at > options_.reader_silence; };
  if (stood_still_ || (ticked_at_ && long_ago(ticked_at_))) return unavailable("this process stood still");
  // A primary hears itself for as long as it has a lease: without one, another may lead meanwhile.
  if (!heard_at_ || long_ago(heard_at_)) {
    return unavailable(leading_ ? "this node has lost touch with the cluster"
                                : "this copy does not hear from its primary");
  }
  return {};
}

Result<void> GroupCore::answers_as_primary() const {
  if (!leading_) return unavailable("this copy is not the primary");
  if (handing_over_) return unavailable("it is being handed over");
  if (!open_ || applied_ < opening_) return unavailable("its primary is taking over");
  if (!ports_.lease_valid()) return unavailable("this node has lost touch with the cluster");
  return {};
}

Result<void> GroupCore::wait_applied(const LogPosition& position, milliseconds timeout) const {
  Lock lock(mutex_);
  // What is stored is shown a moment later.
  const auto shown = [&] { return applied_ >= position.sequence && (!applying_ || shown_ >= position.sequence); };
  const auto seen = [&] { return shown() && (!leading_ || term_ >= position.term); };
  // What was acknowledged is at an open primary: what it has not even begun was lost with the copies that had it.
  const auto lost = [&] {
    return position.sequence > last_.sequence && term_ >= position.term && answers_as_primary();
  };
  changed_.wait_for(lock, timeout, [&] { return stopping_ || !problem_.empty() || seen() || lost(); });
  if (stopping_ || !problem_.empty()) return unavailable("it has stopped");
  if (seen()) return {};
  if (!answers_as_primary()) return unavailable("this copy has not caught up with what the session wrote");
  return Error{ErrorType::kSessionLost,
               fmt::format("shard {} has not what X-Session-Token says was written: it is at {} of term {}, the token "
                           "at {} of term {}",
                           identity_.shard.value(), applied_, term_, position.sequence, position.term)}
      .with("shard_id", identity_.shard.value());
}

void GroupCore::quarantine(const std::string& why) {
  const Lock lock(mutex_);
  fail(why);
}

peer::CopyStatus GroupCore::status() const {
  const Lock lock(mutex_);
  peer::CopyStatus status;
  status.shard = identity_.shard;
  status.copy = identity_.copy;
  status.term = log_->term();
  status.last = log_->last();
  status.applied = applied_;
  status.failed = !problem_.empty();
  const auto* own = own_record();
  status.serving = !stopping_ && problem_.empty() && own != nullptr && own->role == CopyRole::kInSync;
  status.leading = leading_;
  return status;
}

std::string GroupCore::problem() const {
  const Lock lock(mutex_);
  return problem_;
}

GroupStats GroupCore::stats() const {
  const Lock lock(mutex_);
  GroupStats stats;
  stats.leading = leading_;
  stats.open = open_;
  stats.in_sync = placement_.in_sync_count();
  stats.min_in_sync = placement_.min_in_sync;
  stats.promotions = promotions_;
  stats.fenced = fenced_;
  stats.log_bytes = log_->bytes();
  const auto now = ports_.clock->now();
  for (const auto& [copy, follower] : followers_.followers()) {
    const std::uint64_t lag = last_.sequence - std::min(follower.match, last_.sequence);
    const double seconds = std::chrono::duration<double>(now - follower.complete_at).count();
    stats.followers.push_back({copy, follower.node, follower.required(), lag, lag == 0 ? 0 : seconds});
  }
  return stats;
}

void GroupCore::stop() {
  Lock lock(mutex_);
  stopping_ = true;
  fence("it is being closed");
  changed_.notify_all();
  changed_.wait(lock, [&] { return busy_ == 0; });
  apply_ = nullptr;
  saved_index_ = nullptr;
}

}  // namespace vectorizer::replication
