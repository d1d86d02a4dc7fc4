#pragma once

#include <functional>
#include <span>
#include <vector>

#include "search_planner.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::shard {

/// What a look for neighbours in an index has to come up with.
struct Wanted {
  std::size_t count = 0;
  bool all_ties = false;  ///< also all that are as near as the last of them
  /// Where given: only these count, and the search goes on until there are enough of them or the index has no more.
  std::function<bool(Slot)> counts;
};

/// The neighbours that a plan finds among the first `slots` slots, until the deadline of the query: at least as many as
/// are wanted if there are.
Result<std::vector<index::Neighbor>> nearest_of_plan(const index::VectorIndex& index, const SearchQuery& query,
                                                     const index::SearchParams& params, const SearchPlan& plan,
                                                     std::size_t slots, const Wanted& wanted);
/// The same among exactly these slots.
Result<std::vector<index::Neighbor>> nearest_of_slots(const index::VectorIndex& index, const SearchQuery& query,
                                                      const index::SearchParams& params, std::span<const Slot> slots,
                                                      const Wanted& wanted);

}  // namespace vectorizer::shard
