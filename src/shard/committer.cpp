#include "committer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <unordered_map>
#include <unordered_set>

#include "vectorizer/base/clock.hpp"

namespace vectorizer::shard {

void Committer::commit(std::span<PendingWrite* const> group) {
  const std::lock_guard commit_lock(state_.commit_mutex);
  state_.metrics.write_group_size.Observe(static_cast<double>(group.size()));
  Result<void> outcome = settle();
  if (outcome) outcome = commit_together(group);
  if (outcome) return;
  if (outcome.error().type == ErrorType::kStorageFull && group.size() > 1) {
    // Deletes are still welcome on a full disk: the writer of an upsert must not take them down with it.
    commit_each(group);
    return;
  }
  for (PendingWrite* write : group) {
    if (write->result && !write->replayed) write->result = outcome.error();
  }
}

void Committer::commit_each(std::span<PendingWrite* const> group) {
  for (PendingWrite* const& write : group) {
    if (write->replayed) continue;
    Result<void> alone = settle();
    if (alone) alone = commit_together(std::span(&write, 1));
    if (!alone) write->result = alone.error();
  }
}

Result<std::vector<PendingWrite*>> Committer::without_known(std::span<PendingWrite* const> group,
                                                            std::vector<PendingWrite*>& later) const {
  std::vector<PendingWrite*> fresh;
  std::unordered_set<RequestId, RequestIdHash> seen;
  for (PendingWrite* write : group) {
    if (!write->stamp) {
      fresh.push_back(write);
      continue;
    }
    ASSIGN_OR_RETURN(auto known, state_.store->find_result(write->stamp->id));
    if (!known) {
      (seen.insert(write->stamp->id).second ? fresh : later).push_back(write);
      continue;
    }
    write->replayed = true;
    if (known->stamp == *write->stamp && known->outcomes.size() == write->ops.size()) {
      write->result = std::move(known->outcomes);
    } else {
      write->result = Error{ErrorType::kConflict, "this Idempotency-Key was used for another request"}
                          .with("reason", "mismatch")
                          .with("shard_id", state_.options.id.value());
    }
  }
  return fresh;
}

Result<void> Committer::commit_together(std::span<PendingWrite* const> group) {
  std::vector<PendingWrite*> later;
  ASSIGN_OR_RETURN(const auto fresh, without_known(group, later));
  Resolver resolver(state_.generation->table, *state_.store, state_.store->last_sequence() + 1);
  if (auto read = resolver.prefetch(fresh); !read) {
    if (group.size() == 1) return read;
    commit_each(group);  // a point that cannot be read is the error of the writer who needs it, not of the others
    return {};
  }
  const std::int64_t now = wall_ms();
  for (PendingWrite* write : fresh) {
    write->result = resolver.resolve(write->ops);
    if (write->stamp && write->result) resolver.remember({*write->stamp, now, *write->result});
  }
  if (!resolver.writes().empty()) {
    const auto final_writes = resolver.final_writes();
    RETURN_IF_ERROR(store(resolver.writes(), final_writes));
    apply(final_writes, resolver.stored());
  }
  commit_each(later);
  return {};
}

Result<void> Committer::store(std::span<const storage::StoredWrite> writes,
                              std::span<const storage::StoredWrite* const> final_writes) {
  auto stored = state_.store->write(writes);
  // Any other error says that this call has stored nothing.
  if (stored || stored.error().type != ErrorType::kInternal) return stored;
  spdlog::error("shard {}: a batch of {} writes failed: {}", state_.options.id.value(), writes.size(),
                stored.error().message);
  for (const auto* write : final_writes) doubtful_.push_back(write->point.id);
  if (auto reconciled = reconcile(); !reconciled) {
    spdlog::error("shard {}: {}; writes are refused until it can be read", state_.options.id.value(),
                  reconciled.error().message);
  }
  return stored;
}

Result<void> Committer::settle() {
  RETURN_IF_ERROR(reconcile());
  ASSIGN_OR_RETURN(const auto pending, state_.store->settle());
  return store_and_apply(pending);
}

Result<void> Committer::apply_stored(std::span<const storage::StoredWrite> writes) {
  const std::lock_guard commit_lock(state_.commit_mutex);
  RETURN_IF_ERROR(reconcile());
  return store_and_apply(writes);
}

Result<void> Committer::store_and_apply(std::span<const storage::StoredWrite> writes) {
  const SequenceNumber applied = state_.store->applied_sequence();
  const auto first_new = std::find_if(writes.begin(), writes.end(),
                                      [&](const storage::StoredWrite& write) { return write.sequence > applied; });
  writes = writes.subspan(static_cast<std::size_t>(first_new - writes.begin()));
  if (writes.empty()) return {};
  std::unordered_map<PointId, std::size_t, PointIdHash> last;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!writes[i].result) last[writes[i].point.id] = i;
  }
  std::vector<const storage::StoredWrite*> final_writes;
  std::vector<PointId> in_store;  // whose long payloads leave the payload index
  const SlotTable& table = state_.generation->table;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (writes[i].result) continue;
    const PointId& id = writes[i].point.id;
    if (last.at(id) != i) continue;
    final_writes.push_back(&writes[i]);
    if (const auto slot = table.find(id); slot && table.live(*slot)->payload_in_store) in_store.push_back(id);
  }
  ASSIGN_OR_RETURN(auto points, state_.store->get_many(in_store));
  PointsById replaced;
  for (std::size_t i = 0; i < in_store.size(); ++i) {
    if (points[i]) replaced.emplace(in_store[i], std::move(points[i]->point));
  }
  RETURN_IF_ERROR(store(writes, final_writes));
  apply(final_writes, replaced);
  return {};
}

void Committer::apply(std::span<const storage::StoredWrite* const> writes, const PointsById& stored) noexcept {
  Generation& generation = *state_.generation;
  // Readers do not see these slots before the table has them.
  std::vector<Slot> added;
  for (const auto* write : writes) {
    if (write->deleted) continue;
    const Slot slot = generation.index->add(write->point.vector);
    generation.payloads->add(slot, write->point.id, write->point.payload);
    added.push_back(slot);
  }
  std::vector<std::uint32_t> buckets = generation.table.grown(added.size());
  std::vector<std::pair<Slot, SlotEntry>> removed;
  {
    const std::unique_lock table_lock(state_.table_mutex);
    if (!buckets.empty()) generation.table.adopt(buckets);
    auto next_added = added.begin();
    for (const auto* write : writes) {
      const PointId& id = write->point.id;
      if (const auto old = generation.table.find(id)) removed.emplace_back(*old, generation.table.remove(*old));
      if (write->deleted) continue;
      [[maybe_unused]] const Slot slot = generation.table.append(id, write->sequence, write->point.payload);
      assert(slot == *next_added);
      ++next_added;
    }
    if (state_.removal_log) {
      for (const auto& [slot, entry] : removed) state_.removal_log->emplace_back(entry.id, entry.sequence);
    }
  }
  for (const auto& [slot, entry] : removed) {
    generation.index->remove(slot);
    const auto whole = stored.find(entry.id);
    const bool in_store = entry.payload_in_store && whole != stored.end();
    generation.payloads->remove(slot, entry.id, in_store ? whole->second.payload : entry.payload);
  }
  state_.changes += writes.size();
  if (!added.empty()) state_.pending_clock.added(added.back() + std::size_t{1});
}

Result<void> Committer::reconcile() {
  if (doubtful_.empty()) return {};
  ASSIGN_OR_RETURN(auto points, state_.store->get_many(doubtful_));
  std::vector<storage::StoredWrite> truth;
  PointsById seen;
  const SlotTable& table = state_.generation->table;
  for (std::size_t i = 0; i < doubtful_.size(); ++i) {
    if (!seen.emplace(doubtful_[i], Point{}).second) continue;
    const auto slot = table.find(doubtful_[i]);
    const bool same = points[i] ? slot && table.live(*slot)->sequence == points[i]->sequence : !slot;
    if (same) continue;
    storage::StoredWrite write;
    write.deleted = !points[i];
    write.sequence = points[i] ? points[i]->sequence : 0;
    write.point = points[i] ? std::move(points[i]->point) : Point{doubtful_[i], {}, {}};
    truth.push_back(std::move(write));
  }
  std::vector<const storage::StoredWrite*> writes;
  for (const auto& write : truth) writes.push_back(&write);
  apply(writes, {});
  doubtful_.clear();
  return {};
}

}  // namespace vectorizer::shard
