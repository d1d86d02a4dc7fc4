#include "nearest.hpp"

#include <algorithm>
#include <numeric>

namespace vectorizer::shard {
namespace {

using index::Neighbor;

/// More than wanted, so that a hit that was updated meanwhile does not cost another pass.
constexpr std::size_t kSlack = 8;
/// Numbers that are scanned between two looks at the clock: some milliseconds.
constexpr std::size_t kScanPiece = std::size_t{1} << 22;

bool enough(const std::vector<Neighbor>& found, const Wanted& wanted) {
  if (wanted.all_ties && found.back().distance <= found[wanted.count - 1].distance) return false;  // cut through ties
  if (!wanted.counts) return true;
  const auto counting =
      std::count_if(found.begin(), found.end(), [&](const Neighbor& hit) { return wanted.counts(hit.slot); });
  return static_cast<std::size_t>(counting) >= wanted.count;
}

/// `run(limit)` searches; asked again with a larger limit until there is enough, or no more.
template <typename Run>
Result<std::vector<Neighbor>> search_until_enough(const Wanted& wanted, const Run& run) {
  for (std::size_t limit = wanted.count + kSlack;; limit *= 16) {
    ASSIGN_OR_RETURN(std::vector<Neighbor> found, run(limit));
    if (found.size() < limit || enough(found, wanted)) return found;
  }
}

/// Scans `total` slots piece by piece until the deadline; `piece(begin, end)` are those at these places.
template <typename Piece>
Result<std::vector<Neighbor>> scan(const index::VectorIndex& index, const SearchQuery& query,
                                   const index::SearchParams& params, std::size_t total, const Piece& piece) {
  const std::size_t length = std::max<std::size_t>(256, kScanPiece / query.vector.size());
  std::vector<Neighbor> nearest;
  for (std::size_t begin = 0; begin < total; begin += length) {
    RETURN_IF_ERROR(query.deadline.check());
    const auto found = index.search_slots(query.vector, params, piece(begin, std::min(total, begin + length)));
    const auto middle = nearest.insert(nearest.end(), found.begin(), found.end());
    std::inplace_merge(nearest.begin(), middle, nearest.end(), [](const Neighbor& a, const Neighbor& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
    });
    if (nearest.size() > params.limit) nearest.resize(params.limit);
  }
  return nearest;
}

Result<std::vector<Neighbor>> scan_slots(const index::VectorIndex& index, const SearchQuery& query,
                                         const index::SearchParams& params, std::span<const Slot> slots) {
  return scan(index, query, params, slots.size(),
              [&](std::size_t begin, std::size_t end) { return slots.subspan(begin, end - begin); });
}

Result<std::vector<Neighbor>> scan_all(const index::VectorIndex& index, const SearchQuery& query,
                                       const index::SearchParams& params, std::size_t total) {
  std::vector<Slot> slots;
  return scan(index, query, params, total, [&](std::size_t begin, std::size_t end) {
    slots.resize(end - begin);
    std::iota(slots.begin(), slots.end(), static_cast<Slot>(begin));
    return std::span<const Slot>(slots);
  });
}

}  // namespace

Result<std::vector<Neighbor>> nearest_of_plan(const index::VectorIndex& index, const SearchQuery& query,
                                              const index::SearchParams& params, const SearchPlan& plan,
                                              std::size_t slots, const Wanted& wanted) {
  if (plan.kind == SearchPlan::Kind::kSlots) return nearest_of_slots(index, query, params, plan.slots, wanted);
  if (slots == 0 || wanted.count == 0) return std::vector<Neighbor>{};
  index::SearchParams limited = params;
  return search_until_enough(wanted, [&](std::size_t limit) -> Result<std::vector<Neighbor>> {
    limited.limit = limit;
    if (plan.kind == SearchPlan::Kind::kEverything) {
      if (limited.exact) return scan_all(index, query, limited, slots);
      return index.search(query.vector, limited);
    }
    limited.filter = &plan.bitmap;
    auto found = index.search(query.vector, limited);
    limited.filter = nullptr;
    // Matches that are far from the query: the traversal ran out of candidates before it met them.
    if (found.size() < std::min(limit, plan.slots.size())) return scan_slots(index, query, limited, plan.slots);
    return found;
  });
}

Result<std::vector<Neighbor>> nearest_of_slots(const index::VectorIndex& index, const SearchQuery& query,
                                               const index::SearchParams& params, std::span<const Slot> slots,
                                               const Wanted& wanted) {
  if (slots.empty() || wanted.count == 0) return std::vector<Neighbor>{};
  index::SearchParams limited = params;
  return search_until_enough(wanted, [&](std::size_t limit) {
    limited.limit = limit;
    return scan_slots(index, query, limited, slots);
  });
}

}  // namespace vectorizer::shard
