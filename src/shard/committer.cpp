#include "committer.hpp"

#include <spdlog/spdlog.h>

#include <cassert>

namespace vectorizer::shard {

void Committer::commit(std::span<PendingWrite* const> group) {
  const std::lock_guard commit_lock(state_.commit_mutex);
  state_.metrics.write_group_size.Observe(static_cast<double>(group.size()));
  Result<void> outcome = reconcile();
  if (outcome) outcome = commit_together(group);
  if (outcome) return;
  if (outcome.error().type == ErrorType::kStorageFull && group.size() > 1) {
    // Deletes are still welcome on a full disk: the writer of an upsert must not take them down with it.
    commit_each(group);
    return;
  }
  for (PendingWrite* write : group) {
    if (write->result) write->result = outcome.error();
  }
}

void Committer::commit_each(std::span<PendingWrite* const> group) {
  for (PendingWrite* const& write : group) {
    Result<void> alone = reconcile();
    if (alone) alone = commit_together(std::span(&write, 1));
    if (!alone) write->result = alone.error();
  }
}

Result<void> Committer::commit_together(std::span<PendingWrite* const> group) {
  Resolver resolver(state_.generation->table, *state_.store, state_.store->applied_sequence() + 1);
  if (auto read = resolver.prefetch(group); !read) {
    if (group.size() == 1) return read;
    commit_each(group);  // a point that cannot be read is the error of the writer who needs it, not of the others
    return {};
  }
  for (PendingWrite* write : group) write->result = resolver.resolve(write->ops);
  if (resolver.writes().empty()) return {};
  const auto final_writes = resolver.final_writes();
  if (auto stored = state_.store->write(resolver.writes()); !stored) {
    if (stored.error().type != ErrorType::kStorageFull) {
      spdlog::error("shard {}: a batch of {} writes failed: {}", state_.options.id.value(), resolver.writes().size(),
                    stored.error().message);
      for (const auto* write : final_writes) doubtful_.push_back(write->point.id);
      if (auto reconciled = reconcile(); !reconciled) {
        spdlog::error("shard {}: {}; writes are refused until it can be read", state_.options.id.value(),
                      reconciled.error().message);
      }
    }
    return stored;
  }
  apply(final_writes, resolver.stored());
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
