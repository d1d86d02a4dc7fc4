#include "compaction.hpp"

#include <algorithm>
#include <cassert>

namespace vectorizer::shard {
namespace {

/// Removed slots that are skipped in one section of the table lock.
constexpr std::size_t kMaxSkipped = std::size_t{1} << 16;
/// What may be left to copy while the writers wait for the swap.
constexpr std::size_t kLastSlots = 256;

}  // namespace

Compaction::Compaction(ShardState& state) : state_(state) {
  const std::unique_lock lock(state_.table_mutex);
  from_ = state_.generation;
  to_ = make_generation(state_.options);
  state_.building = to_;
  state_.removal_log.emplace();
  rebuild_ = state_.rebuild_wanted.exchange(false);
}

Compaction::~Compaction() {
  const std::unique_lock lock(state_.table_mutex);
  state_.removal_log.reset();
  state_.building.reset();
  if (rebuild_) state_.rebuild_wanted = true;
}

bool Compaction::caught_up() const {
  const std::shared_lock lock(state_.table_mutex);
  return from_->table.slots() - cursor_ <= kLastSlots;
}

Result<Compaction::Progress> Compaction::step(std::size_t max_vectors) {
  drop_removed();
  ASSIGN_OR_RETURN([[maybe_unused]] const bool same, copy(max_vectors));  // the other version comes later, at the end
  to_->index->index_pending(max_vectors);
  // Writes keep coming, so it need not be the last one that is in the graph: a slice of them is scanned as fast.
  if (to_->index->stats().pending > max_vectors || !caught_up()) return Progress::kMore;
  return swap_in();
}

void Compaction::drop_removed() {
  std::vector<std::pair<PointId, SequenceNumber>> removed;
  {
    const std::unique_lock lock(state_.table_mutex);
    removed.swap(*state_.removal_log);
  }
  for (const auto& [id, sequence] : removed) drop(id, sequence);
}

void Compaction::drop(const PointId& id, SequenceNumber sequence) {
  const auto slot = to_->table.find(id);
  if (!slot || to_->table.live(*slot)->sequence != sequence) return;
  const SlotEntry entry = to_->table.remove(*slot);
  to_->index->remove(*slot);
  // Of a long payload that is gone from the store something may stay behind in the payload index. That costs a little
  // room: a slot counts only if the table has it.
  to_->payloads->remove(*slot, id, entry.payload);
}

Result<bool> Compaction::copy(std::size_t max) {
  std::vector<PointId> ids;
  std::vector<SequenceNumber> sequences;
  {
    const std::shared_lock lock(state_.table_mutex);
    const SlotTable& table = from_->table;
    const std::size_t end = std::min(table.slots(), cursor_ + kMaxSkipped);
    for (; cursor_ < end && ids.size() < max; ++cursor_) {
      if (const SlotEntry* entry = table.live(cursor_)) {
        ids.push_back(entry->id);
        sequences.push_back(entry->sequence);
      }
    }
  }
  if (ids.empty()) return true;
  ASSIGN_OR_RETURN(const auto stored, state_.store->get_many(ids));
  bool same = true;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!stored[i] || stored[i]->sequence != sequences[i]) {
      same = false;
      continue;
    }
    if (const auto old = to_->table.find(ids[i])) drop(ids[i], to_->table.live(*old)->sequence);
    const Point& point = stored[i]->point;
    const Slot slot = to_->index->add(point.vector);
    to_->payloads->add(slot, point.id, point.payload);
    [[maybe_unused]] const Slot in_table = to_->table.append(point.id, sequences[i], point.payload);
    assert(slot == in_table);
  }
  return same;
}

Result<Compaction::Progress> Compaction::swap_in() {
  const std::lock_guard no_writers(state_.commit_mutex);
  while (cursor_ < from_->table.slots()) {
    drop_removed();
    ASSIGN_OR_RETURN(const bool same, copy(kLastSlots));
    // Only after a write of unknown outcome that has not been reconciled.
    if (!same) return Error{ErrorType::kInternal, "the store and the index differ"};
  }
  drop_removed();
  const std::unique_lock lock(state_.table_mutex);
  assert(to_->table.live_count() == from_->table.live_count());
  state_.generation = to_;
  rebuild_ = false;
  state_.pending_clock.restart();
  state_.pending_clock.added(to_->table.slots());
  return Progress::kDone;
}

}  // namespace vectorizer::shard
