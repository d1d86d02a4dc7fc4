#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "busy_scope.hpp"
#include "group_core.hpp"
#include "log_match.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {

using cluster::CopyRole;
using peer::ReplicateReply;

namespace {

/// After the metadata refused a change.
constexpr milliseconds kProposalPause{500};

}  // namespace

void GroupCore::maybe_lead() {
  std::uint64_t term = 0;
  {
    const Lock lock(mutex_);
    const auto* own = own_record();
    const auto* primary = placement_.primary_copy();
    const bool mine = own != nullptr && own == primary && own->role == CopyRole::kInSync;
    if (!mine || leading_ || lead_queued_ || stopping_ || fetching_ || !problem_.empty() || !apply_) return;
    if (placement_.term <= blocked_term_) return;
    term = placement_.term;
    lead_queued_ = true;
  }
  const bool queued = ports_.disk_lane([self = weak_from_this(), term] {
    if (const auto core = self.lock()) core->lead(term);
  });
  if (queued) return;
  const Lock lock(mutex_);
  lead_queued_ = false;
}

void GroupCore::lead(std::uint64_t term) {
  BusyScope busy(*this);
  std::vector<Outgoing> requests;
  {
    const Lock log_lock(log_mutex_);
    const auto still_mine = [&] {
      const auto* primary = placement_.primary_copy();
      return busy && placement_.term == term && primary != nullptr && primary->id == identity_.copy &&
             problem_.empty() && term > blocked_term_;
    };
    std::uint64_t applied = 0;
    {
      const Lock lock(mutex_);
      lead_queued_ = false;
      if (!still_mine() || leading_ || log_->term() > term) return;
      applied = applied_;
    }
    // The whole log is kept: every acknowledged operation is in it. What else is in it may now be committed.
    const LogPosition end = log_->last();
    const LogEntry opening = storage::make_noop(term, end.sequence + 1);
    auto begun = log_->set_term(term);
    if (begun) begun = log_->append(std::span(&opening, 1), ports_.clock->wall_ms());
    const Lock lock(mutex_);
    if (!begun) return fail(fmt::format("its log cannot be written: {}", begun.error().message));
    synced_applied_ = std::max(synced_applied_, applied);
    last_ = opening.position();
    durable_ = last_.sequence;
    tail_.clear();
    if (!still_mine()) return;
    tail_.push(opening);
    leading_ = true;
    heard_at_ = ports_.clock->now();
    open_ = handing_over_ = false;
    term_ = term;
    opening_ = last_.sequence;
    blocked_term_ = term;
    ++promotions_;
    followers_.clear();
    followers_.update(placement_, identity_.copy, end, ports_.clock->now());
    spdlog::info("shard {}: primary at term {} from {} on", identity_.shard.value(), term, opening_);
    advance_commit();
    requests = due_requests(true);
    changed_.notify_all();
  }
  send(std::move(requests));
  schedule_apply();
}

void GroupCore::update_followers() {
  followers_.update(placement_, identity_.copy, last_, ports_.clock->now());
}

void GroupCore::advance_commit() {
  if (!leads()) return;
  const auto commit = followers_.committed(durable_);
  if (!commit) return;
  note_commit(*commit);
  const auto now = ports_.clock->now();
  for (auto& [copy, follower] : followers_.followers()) {
    if (follower.matched && follower.match >= last_.sequence) follower.complete_at = now;
  }
  if (open_ || commit_ < opening_) return;
  open_ = true;
  spdlog::info("shard {}: open at term {}", identity_.shard.value(), term_);
  changed_.notify_all();
}

// Writing.

Result<GroupCore::Ticket> GroupCore::begin_write(std::span<const storage::StoredWrite> writes) {
  BusyScope busy(*this);
  const bool adds = std::any_of(writes.begin(), writes.end(), [](const auto& write) { return !write.deleted; });
  if (adds && ports_.storage_full()) {
    return Error{ErrorType::kStorageFull, "the disk is nearly full; deletes and reads work, other writes are refused"};
  }
  std::uint64_t term = 0;
  {
    const Lock lock(mutex_);
    term = settled_term_;
  }
  LogEntry entry = storage::make_entry(term, writes);
  std::vector<Outgoing> requests;
  {
    const Lock lock(mutex_);
    RETURN_IF_ERROR(check_writable());
    // What the writes were resolved over must still be all there is.
    if (term_ != term || writes.front().sequence != last_.sequence + 1 || commit_ != last_.sequence) {
      return unavailable("it has another primary now");
    }
    last_ = entry.position();
    tail_.push(entry);
    requests = due_requests(true);
  }
  send(std::move(requests));
  if (auto logged = log_own(entry, term); !logged) return std::move(logged.error()).with("outcome", "unknown");
  return Ticket{term, entry.last};
}

Result<void> GroupCore::log_own(const LogEntry& entry, std::uint64_t term) {
  const Lock log_lock(log_mutex_);
  std::uint64_t applied = 0;
  {
    const Lock lock(mutex_);
    if (!leads() || term_ != term) return unavailable("it lost its primary while the write was under way");
    applied = applied_;
  }
  auto logged = log_->append(std::span(&entry, 1), ports_.clock->wall_ms());
  const Lock lock(mutex_);
  if (!logged) {
    // The followers may have it, and this copy may not use its sequence again.
    fail(fmt::format("its log cannot be written: {}", logged.error().message));
    return logged;
  }
  synced_applied_ = std::max(synced_applied_, applied);
  durable_ = entry.last;
  advance_commit();
  return {};
}

// Sending.

std::vector<GroupCore::Outgoing> GroupCore::due_requests(bool only_entries) {
  std::vector<Outgoing> requests;
  const auto now = ports_.clock->now();
  for (auto& [copy, follower] : followers_.followers()) {
    if (auto request = request_for(follower, now, only_entries)) requests.push_back(*std::move(request));
  }
  return requests;
}

std::optional<GroupCore::Outgoing> GroupCore::request_for(Follower& follower, Timepiece::Point now, bool only_entries) {
  if (follower.sending || now < follower.not_before) return std::nullopt;
  const bool behind = follower.next.sequence < last_.sequence && !follower.needs_checkpoint;
  if (behind) {
    if (auto entries = tail_.after(follower.next.sequence, options_.request_bytes)) {
      return make_request(follower, *std::move(entries));
    }
    if (follower.next.sequence < log_->base().sequence) {
      follower.next = log_->last();  // so that the copy says what it has: this was a guess
    } else if (follower.next.sequence < durable_) {
      follower.sending = true;
      follower.request = next_request_++;
      const bool queued = ports_.disk_lane(
          [self = weak_from_this(), copy = follower.copy, request = follower.request, from = follower.next] {
            if (const auto core = self.lock()) core->read_for(copy, request, from);
          });
      if (!queued) follower.sending = false;
      return std::nullopt;
    }
  }
  if (only_entries) return std::nullopt;
  const auto pause = commit_ > follower.told_commit ? options_.commit_beat : options_.idle_beat;
  if (now - follower.sent_at < pause) return std::nullopt;
  return make_request(follower, {});
}

GroupCore::Outgoing GroupCore::make_request(Follower& follower, std::vector<LogEntry> entries) {
  Outgoing outgoing;
  outgoing.node = follower.node;
  outgoing.copy = follower.copy;
  outgoing.request = follower.request = next_request_++;
  outgoing.through = entries.empty() ? follower.next : entries.back().position();
  peer::ReplicateRequest& message = outgoing.message;
  message.shard = identity_.shard;
  message.copy = follower.copy;
  message.term = term_;
  message.primary = identity_.node;
  message.previous = follower.needs_checkpoint ? last_ : follower.next;
  message.commit = commit_;
  message.entries = std::move(entries);
  message.fetch_checkpoint = follower.needs_checkpoint;
  follower.sending = true;
  follower.sent_at = ports_.clock->now();
  follower.told_commit = commit_;
  return outgoing;
}

void GroupCore::read_for(std::uint64_t copy, std::uint64_t request, LogPosition from) {
  BusyScope busy(*this);
  if (!busy) return;
  auto entries = log_->read(from.sequence, options_.request_bytes);
  std::vector<Outgoing> requests;
  {
    const Lock lock(mutex_);
    Follower* const follower = leads() ? followers_.find(copy) : nullptr;
    if (follower == nullptr || follower->request != request) return;
    follower->sending = false;
    if (entries && !entries->empty()) {
      requests.push_back(make_request(*follower, *std::move(entries)));
    } else {
      // Pruned meanwhile, perhaps.
      follower->not_before = ports_.clock->now() + options_.retry_pause;
      if (!entries) spdlog::warn("shard {}: {}", identity_.shard.value(), entries.error().message);
    }
  }
  send(std::move(requests));
}

void GroupCore::send(std::vector<Outgoing> requests) {
  for (Outgoing& outgoing : requests) {
    const auto answer = [self = weak_from_this(), copy = outgoing.copy, request = outgoing.request,
                         through = outgoing.through](Result<ReplicateReply> reply) {
      if (const auto core = self.lock()) core->on_reply(copy, request, through, reply);
    };
    if (const auto peer = ports_.directory->replication(outgoing.node)) {
      peer->replicate(std::move(outgoing.message), answer);
    } else {
      answer(Error{ErrorType::kNodeUnreachable, fmt::format("node '{}' is not known", outgoing.node.value())});
    }
  }
}

void GroupCore::on_reply(std::uint64_t copy, std::uint64_t request, const LogPosition& through,
                         const Result<ReplicateReply>& reply) {
  BusyScope busy(*this);
  if (!busy) return;
  std::vector<Outgoing> requests;
  {
    const Lock lock(mutex_);
    Follower* const follower = leads() ? followers_.find(copy) : nullptr;
    if (follower == nullptr || follower->request != request) return;
    follower->sending = false;
    if (reply) {
      follower->unreachable_since.reset();
      take_reply(*follower, through, *reply);
    } else {
      const auto now = ports_.clock->now();
      follower->not_before = now + options_.retry_pause;
      const bool unreachable = reply.error().type == ErrorType::kNodeUnreachable;
      if (!unreachable) follower->unreachable_since.reset();
      if (unreachable && !follower->unreachable_since) follower->unreachable_since = now;
    }
    if (leads()) {
      advance_commit();
      requests = due_requests(true);
    }
  }
  send(std::move(requests));
  schedule_apply();
}

void GroupCore::take_reply(Follower& follower, const LogPosition& through, const ReplicateReply& reply) {
  const auto now = ports_.clock->now();
  if (reply.term > term_) return fence(fmt::format("node '{}' has seen term {}", follower.node.value(), reply.term));
  switch (reply.outcome) {
    case ReplicateReply::Outcome::kAccepted:
      // What the copy has beyond the request has not been compared.
      follower.next = through;
      follower.match = std::max(follower.match, through.sequence);
      follower.matched = true;
      follower.needs_checkpoint = false;
      follower.mismatches = 0;
      follower.accepted_at = now;
      return;
    case ReplicateReply::Outcome::kMismatch:
      return take_mismatch(follower, reply);
    case ReplicateReply::Outcome::kDiverged:
      return fail(fmt::format("diverged: copy {} on node '{}' has applied {}, which this log lacks", follower.copy,
                              follower.node.value(), reply.applied));
    case ReplicateReply::Outcome::kFetching:
      follower.matched = false;
      follower.match = 0;
      [[fallthrough]];
    case ReplicateReply::Outcome::kStaleTerm:  // of a request from before this term
    case ReplicateReply::Outcome::kNotHere:
    case ReplicateReply::Outcome::kFailed:
      follower.not_before = now + options_.retry_pause;
      // With the checkpoint it has another log, from whose end it may go on.
      if (follower.needs_checkpoint && reply.last.sequence >= log_->base().sequence) {
        follower.needs_checkpoint = false;
        follower.next = std::min(reply.last, log_->last());
      }
      return;
  }
}

void GroupCore::take_mismatch(Follower& follower, const ReplicateReply& reply) {
  const auto ours = log_->terms();
  const LogPosition theirs_base = reply.terms.empty() ? reply.last : LogPosition{};
  const auto match = last_match({ours, log_->base(), log_->last()}, {reply.terms, theirs_base, reply.last});
  if (match && match->sequence < reply.applied) {
    return fail(fmt::format("diverged: copy {} on node '{}' has applied {}, and this log agrees up to {}",
                            follower.copy, follower.node.value(), reply.applied, match->sequence));
  }
  // A copy that has nothing gets the points with their index, not each operation that led to them.
  const bool much_for_nothing = reply.last.sequence == 0 && last_.sequence > options_.joining_lag;
  follower.needs_checkpoint = !match || much_for_nothing;
  follower.next = match.value_or(last_);
  // A copy that has lost what it had confirmed must not count with it.
  follower.matched = false;
  follower.match = 0;
  if (++follower.mismatches > 1) follower.not_before = ports_.clock->now() + options_.retry_pause;
}

// The in-sync set.

void GroupCore::propose_changes() {
  std::optional<cluster::MetadataCommand> command;
  std::uint64_t term = 0;
  {
    const Lock lock(mutex_);
    const auto now = ports_.clock->now();
    if (!leads() || now < proposals_after_ || placement_.term != term_) return;
    // A copy that does not follow yet may be one that this primary waits for to open: silent ones leave before it.
    command = followers_.next_change(placement_, open_ ? commit_ : ~std::uint64_t{0}, last_.sequence, now, options_);
    if (!command) return;
    term = term_;
  }
  spdlog::info("shard {}: proposes {}", identity_.shard.value(), cluster::encode_command(*command));
  ports_.propose(*command, [self = weak_from_this(), term, command = *command](const ProposalResult& result) {
    if (const auto core = self.lock()) core->on_proposal(term, command, result);
  });
}

void GroupCore::on_proposal(std::uint64_t term, const cluster::MetadataCommand& command, const ProposalResult& result) {
  {
    const Lock lock(mutex_);
    if (leading_ && term_ == term) {
      followers_.answered(command, result.outcome);
      if (result.outcome != ProposalResult::Outcome::kCommitted) {
        proposals_after_ = ports_.clock->now() + kProposalPause;
      }
      advance_commit();
    }
  }
  // A refusal shows what the metadata has: a larger term ends this one, a later version is tried again.
  if (result.placement) reconcile(*result.placement);
}

}  // namespace vectorizer::replication
