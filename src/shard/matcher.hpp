#pragma once

#include <shared_mutex>
#include <vector>

#include "shard_state.hpp"
#include "vectorizer/model/deadline.hpp"
#include "vectorizer/model/filter.hpp"

namespace vectorizer::shard {

/// The live slots of one generation for which a filter holds. It stays the truth for as long as `lock` is held.
struct Matches {
  std::vector<Slot> slots;  ///< ascending
  std::size_t seen = 0;     ///< slots that exist: later ones were not looked at
  std::shared_lock<std::shared_mutex> lock;
};

/// Whether the filter holds for the point of a live slot; reads a long payload from the store, where it may be newer.
/// Call with table_mutex held.
Result<bool> slot_matches(const ShardState& state, const SlotEntry& entry, const Filter& filter);

/// Asks the payload index and confirms what it is not sure of, until the deadline. Call without locks.
Result<Matches> match_slots(const ShardState& state, const Generation& generation, const Filter& filter,
                            const Deadline& deadline = {});

}  // namespace vectorizer::shard
