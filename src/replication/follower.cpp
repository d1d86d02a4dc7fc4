#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "busy_scope.hpp"
#include "group_core.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {

using peer::ReplicateReply;
using Outcome = peer::ReplicateReply::Outcome;

ReplicateReply GroupCore::reply_of(Outcome outcome) const {
  const Lock lock(mutex_);
  ReplicateReply reply;
  reply.outcome = outcome;
  reply.term = log_->term();
  reply.last = log_->last();
  reply.applied = applied_;
  if (outcome == Outcome::kMismatch) reply.terms = log_->terms();
  return reply;
}

ReplicateReply GroupCore::handle(const peer::ReplicateRequest& request) {
  BusyScope busy(*this);
  if (!busy || request.copy != identity_.copy) return reply_of(Outcome::kNotHere);
  ReplicateReply reply;
  bool begin_fetch = false;
  {
    const Lock log_lock(log_mutex_);
    if (request.term < log_->term()) return reply_of(Outcome::kStaleTerm);
    if (const auto adopted = adopt_term(request.term, request.primary); !adopted) {
      spdlog::error("shard {}: {}", identity_.shard.value(), adopted.error().message);
      return reply_of(Outcome::kFailed);
    }
    {
      const Lock lock(mutex_);
      begin_fetch = fetching_;  // again: the owner may have given up, or had no room
    }
    reply = begin_fetch ? reply_of(Outcome::kFetching) : accept(request);
    const Lock lock(mutex_);
    begin_fetch = fetching_ = reply.outcome == Outcome::kFetching;
  }
  if (begin_fetch) ports_.fetch_checkpoint(request.primary, request.term);
  schedule_apply();
  return reply;
}

void GroupCore::checkpoint_failed() {
  const Lock lock(mutex_);
  fetching_ = false;
}

Result<void> GroupCore::adopt_term(std::uint64_t term, const NodeId& primary) {
  if (term > log_->term()) RETURN_IF_ERROR(log_->set_term(term));  // before anything is answered
  const Lock lock(mutex_);
  if (leading_ && term > term_) fence(fmt::format("node '{}' leads term {}", primary.value(), term));
  if (leading_) return unavailable(fmt::format("node '{}' claims the term that this one leads", primary.value()));
  if (!problem_.empty()) return unavailable(problem_);
  heard_at_ = ports_.clock->now();
  return {};
}

ReplicateReply GroupCore::accept(const peer::ReplicateRequest& request) {
  if (log_broken_) {
    if (const auto cut = log_->truncate_after(log_->last().sequence); !cut) return reply_of(Outcome::kFailed);
    log_broken_ = false;
  }
  std::uint64_t applied = 0;
  {
    const Lock lock(mutex_);
    applied = applied_;
  }
  const auto knows = [&](const LogPosition& position) -> Result<bool> {
    if (position == log_->last()) return true;
    return log_->contains(position);
  };
  if (request.fetch_checkpoint && request.previous != log_->last()) {
    if (applied > request.previous.sequence) return reply_of(Outcome::kDiverged);
    // What the primary knows may be the log that a checkpoint has just replaced: then it can go on from this one.
    const bool known = std::exchange(log_is_known_, true) || log_->last() == LogPosition{};
    return reply_of(known ? Outcome::kFetching : Outcome::kMismatch);
  }
  LogPosition cursor = request.previous;
  std::size_t known = 0;
  const auto compared = [&]() -> Result<bool> {
    ASSIGN_OR_RETURN(const bool matches, knows(cursor));
    if (!matches) return false;
    for (; known < request.entries.size(); ++known) {
      const LogEntry& entry = request.entries[known];
      if (entry.last > log_->last().sequence) break;
      ASSIGN_OR_RETURN(const bool same, knows(entry.position()));
      if (!same) break;
      cursor = entry.position();
    }
    return true;
  }();
  if (!compared) {
    spdlog::error("shard {}: its log cannot be read: {}", identity_.shard.value(), compared.error().message);
    return reply_of(Outcome::kFailed);
  }
  if (!*compared) return reply_of(Outcome::kMismatch);
  const bool conflict = known < request.entries.size() && cursor != log_->last();
  if (conflict && cursor.sequence < applied) return reply_of(Outcome::kDiverged);
  if (const auto appended = append_new(request, known); !appended) {
    spdlog::error("shard {}: its log cannot be written: {}", identity_.shard.value(), appended.error().message);
    return reply_of(Outcome::kFailed);
  }
  const LogPosition through = request.entries.empty() ? request.previous : request.entries.back().position();
  {
    const Lock lock(mutex_);
    // What follows `through` in this log has not been compared.
    note_commit(std::min(request.commit, through.sequence));
  }
  ReplicateReply reply = reply_of(Outcome::kAccepted);
  reply.last = through;
  return reply;
}

Result<void> GroupCore::append_new(const peer::ReplicateRequest& request, std::size_t first_new) {
  const std::span<const LogEntry> entries = std::span(request.entries).subspan(first_new);
  if (entries.empty()) return {};
  if (ports_.storage_full()) {
    for (const LogEntry& entry : entries) {
      ASSIGN_OR_RETURN(const auto writes, storage::entry_writes(entry));
      const bool adds = std::any_of(writes.begin(), writes.end(), [](const auto& write) { return !write.deleted; });
      if (adds) return Error{ErrorType::kStorageFull, "the disk is nearly full"};
    }
  }
  std::uint64_t applied = 0;
  {
    const Lock lock(mutex_);
    applied = applied_;
  }
  const std::uint64_t keep = entries.front().first - 1;
  if (log_->last().sequence != keep) RETURN_IF_ERROR(log_->truncate_after(keep));
  log_broken_ = true;
  RETURN_IF_ERROR(log_->append(entries, ports_.clock->wall_ms()));
  log_broken_ = false;
  const Lock lock(mutex_);
  synced_applied_ = std::max(synced_applied_, applied);
  last_ = log_->last();
  durable_ = last_.sequence;
  return {};
}

}  // namespace vectorizer::replication
