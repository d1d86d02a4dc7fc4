#include "matcher.hpp"

#include <algorithm>
#include <numeric>
#include <span>

namespace vectorizer::shard {
namespace {

/// Candidates that are confirmed in one section of the table lock.
constexpr std::size_t kConfirmChunk = 256;

/// Appends those of `candidates` that are live and for which the filter holds.
Result<void> confirm(const ShardState& state, const Generation& generation, const Filter& filter,
                     std::span<const Slot> candidates, std::vector<Slot>& out) {
  for (const Slot slot : candidates) {
    const SlotEntry* entry = generation.table.live(slot);
    if (entry == nullptr) continue;
    ASSIGN_OR_RETURN(const bool holds, slot_matches(state, *entry, filter));
    if (holds) out.push_back(slot);
  }
  return {};
}

void drop_removed(const SlotTable& table, std::vector<Slot>& slots) {
  std::erase_if(slots, [&](Slot slot) { return table.live(slot) == nullptr; });
}

}  // namespace

Result<bool> slot_matches(const ShardState& state, const SlotEntry& entry, const Filter& filter) {
  if (!entry.payload_in_store) return filter_matches(filter, entry.id, entry.payload);
  ASSIGN_OR_RETURN(const auto stored, state.store->get(entry.id));
  return stored && filter_matches(filter, entry.id, stored->point.payload);
}

Result<Matches> match_slots(const ShardState& state, const Generation& generation, const Filter& filter,
                            const Deadline& deadline) {
  const SlotTable& table = generation.table;
  Matches matches;
  {
    const std::shared_lock lock(state.table_mutex);
    matches.seen = table.slots();
  }
  // No writer waits for this. A slot is in the payload index before it is in the table, and longer.
  payload::Candidates candidates = generation.payloads->match(filter);
  // Slot by slot, letting writers in between; then what they added meanwhile, the last few in one section that also
  // drops what they removed.
  std::erase_if(candidates.slots, [&](Slot slot) { return slot >= matches.seen; });
  if (candidates.exact) matches.slots.swap(candidates.slots);
  std::span<const Slot> rest(candidates.slots);
  while (!rest.empty()) {
    RETURN_IF_ERROR(deadline.check());
    const std::span<const Slot> chunk = rest.first(std::min(rest.size(), kConfirmChunk));
    rest = rest.subspan(chunk.size());
    const std::shared_lock lock(state.table_mutex);
    RETURN_IF_ERROR(confirm(state, generation, filter, chunk, matches.slots));
  }
  for (;;) {
    std::shared_lock lock(state.table_mutex);
    const std::size_t fresh = table.slots() - matches.seen;
    std::vector<Slot> chunk(std::min(fresh, kConfirmChunk));
    std::iota(chunk.begin(), chunk.end(), static_cast<Slot>(matches.seen));
    RETURN_IF_ERROR(confirm(state, generation, filter, chunk, matches.slots));
    matches.seen += chunk.size();
    if (matches.seen < table.slots()) continue;
    drop_removed(table, matches.slots);
    matches.lock = std::move(lock);
    return matches;
  }
}

}  // namespace vectorizer::shard
