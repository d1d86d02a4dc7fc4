#include "replicated_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {
namespace {

/// Between two looks at the lease of a write that waits.
constexpr milliseconds kLeaseCheck{500};
/// More than this is left to the lane that applies, and the writer comes again.
constexpr std::size_t kSettledAtOnce = std::size_t{16} << 20;

Error unknown_outcome(Error error) {
  return std::move(error).with("outcome", "unknown");
}

}  // namespace

std::uint64_t GroupCore::last_sequence() const {
  const Lock lock(mutex_);
  return last_.sequence;
}

Result<void> GroupCore::check_writable() const {
  if (stopping_) return unavailable("it is being closed");
  if (!problem_.empty()) return unavailable(problem_);
  if (!leading_) return unavailable("this copy is not the primary");
  if (handing_over_) return unavailable("it is being handed over");
  if (!open_) return unavailable("its primary is taking over");
  if (followers_.surely_in_sync() < placement_.min_in_sync) {
    return Error{ErrorType::kNotEnoughReplicas,
                 fmt::format("shard {} has {} copies in sync and needs {}", identity_.shard.value(),
                             followers_.surely_in_sync(), placement_.min_in_sync)}
        .with("shard_id", identity_.shard.value())
        .with("in_sync", followers_.surely_in_sync())
        .with("min_in_sync", placement_.min_in_sync);
  }
  if (!ports_.lease_valid()) return unavailable("this node has lost touch with the cluster");
  return {};
}

Result<void> GroupCore::acknowledgeable() const {
  const Lock lock(mutex_);
  // As at the start of a write, except that a hand-over lets what was begun before it finish.
  if (followers_.surely_in_sync() >= placement_.min_in_sync && ports_.lease_valid()) return {};
  return Error{
      ErrorType::kNotEnoughReplicas,
      fmt::format("shard {}: the write is committed, but too few copies in sync, or this node's lease, were left "
                  "to acknowledge it",
                  identity_.shard.value())}
      .with("shard_id", identity_.shard.value())
      .with("outcome", "unknown");
}

std::uint64_t GroupCore::committed() const {
  const Lock lock(mutex_);
  return commit_;
}

Result<std::vector<storage::StoredWrite>> GroupCore::settle() {
  std::uint64_t from = 0, to = 0;
  {
    Lock lock(mutex_);
    RETURN_IF_ERROR(check_writable());
    const std::uint64_t term = term_;
    const auto decided = [&] { return commit_ >= last_.sequence; };
    changed_.wait_for(lock, options_.settle_timeout, [&] { return !leads() || term_ != term || decided(); });
    RETURN_IF_ERROR(check_writable());
    if (term_ != term || !decided()) return unavailable("an earlier write is not decided yet");
    settled_term_ = term;
    from = applied_;
    to = settled_to_ = commit_;
  }
  std::vector<storage::StoredWrite> writes;
  if (from >= to) return writes;
  ASSIGN_OR_RETURN(const auto entries, entries_between(from, to, kSettledAtOnce));
  if (entries.empty() || entries.back().last < to) return unavailable("it is still applying what was committed");
  for (const LogEntry& entry : entries) {
    ASSIGN_OR_RETURN(auto some, storage::entry_writes(entry));
    std::move(some.begin(), some.end(), std::back_inserter(writes));
  }
  return writes;
}

Result<void> GroupCore::write(std::span<const storage::StoredWrite> writes) {
  if (writes.empty()) return {};
  bool decided = false;
  {
    const Lock lock(mutex_);
    // Not just what is below the commit: a writer that has lost its term meanwhile has numbers that others have now.
    decided = std::this_thread::get_id() == applier_ || writes.back().sequence <= settled_to_;
    if (!decided) ++waiting_writes_;
  }
  if (!decided) {
    const auto committed = [&]() -> Result<void> {
      ASSIGN_OR_RETURN(const Ticket ticket, begin_write(writes));
      RETURN_IF_ERROR(wait_committed(ticket));
      return acknowledgeable();
    }();
    {
      const Lock lock(mutex_);
      --waiting_writes_;
    }
    // What is committed and not acknowledged is applied all the same, by the lane.
    if (!committed) schedule_apply();
    RETURN_IF_ERROR(committed);
  }
  return store_decided(writes);
}

Result<void> GroupCore::store_decided(std::span<const storage::StoredWrite> writes) {
  RETURN_IF_ERROR(points_->write(writes));
  note_applied(writes.back().sequence);
  return {};
}

GroupCore::Decision GroupCore::decision(const Ticket& ticket) const {
  const Lock lock(mutex_);
  // In another term the same sequence may be another write.
  if (!leads() || term_ != ticket.term) return Decision::kUnknown;
  return commit_ >= ticket.sequence ? Decision::kCommitted : Decision::kPending;
}

Result<void> GroupCore::wait_committed(const Ticket& ticket) {
  Lock lock(mutex_);
  const auto lost = [&] { return !leads() || term_ != ticket.term; };
  const auto begun = std::chrono::steady_clock::now();
  auto leased = begun;
  for (auto now = begun; now - begun < options_.commit_timeout; now = std::chrono::steady_clock::now()) {
    if (changed_.wait_for(lock, kLeaseCheck, [&] { return lost() || commit_ >= ticket.sequence; })) break;
    if (ports_.lease_valid()) leased = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - leased > options_.leaseless_wait) {
      return unknown_outcome(unavailable("this node has lost touch with the cluster"));
    }
  }
  if (lost()) return unknown_outcome(unavailable("it lost its primary while the write was under way"));
  if (commit_ >= ticket.sequence) return {};
  return unknown_outcome(unavailable(
      fmt::format("not every copy in sync has confirmed the write within {} ms", options_.commit_timeout.count())));
}

Result<void> GroupCore::hand_over(milliseconds timeout) {
  Lock lock(mutex_);
  if (!leads() || !open_) return unavailable("this copy is not an open primary");
  handing_over_ = true;
  const std::uint64_t term = term_;
  const auto quiet = [&] { return waiting_writes_ == 0 && commit_ == last_.sequence && applied_ == commit_; };
  changed_.wait_for(lock, timeout, [&] { return !leads() || term_ != term || quiet(); });
  if (!leads() || term_ != term) return unavailable("this copy is not the primary any more");
  if (quiet()) return {};
  handing_over_ = false;
  return Error{ErrorType::kTimeout, "writes are still under way"};
}

void GroupCore::resume() {
  const Lock lock(mutex_);
  handing_over_ = false;
}

}  // namespace vectorizer::replication
