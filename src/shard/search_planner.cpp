#include "search_planner.hpp"

#include <algorithm>

namespace vectorizer::shard {
namespace {

constexpr double kScanNanosPerSlot = 52;
constexpr double kTraversalNanosPerEf = 1700;
/// Half a millisecond of scanning: not worth a lower recall, whatever the traversal would cost.
constexpr std::size_t kAlwaysScan = 10000;

index::SlotBitmap bitmap_of(const std::vector<Slot>& slots) {
  index::SlotBitmap bitmap;
  if (!slots.empty()) bitmap.words.resize(slots.back() / 64 + 1);
  for (const Slot slot : slots) bitmap.words[slot / 64] |= std::uint64_t{1} << (slot % 64);
  bitmap.count = slots.size();
  return bitmap;
}

}  // namespace

SearchPlan::Kind cheaper_way(std::size_t matches, std::size_t live, std::size_t ef) {
  if (matches <= kAlwaysScan) return SearchPlan::Kind::kSlots;
  const double share = static_cast<double>(matches) / static_cast<double>(std::max(live, matches));
  const double scan = kScanNanosPerSlot * static_cast<double>(matches);
  const double traversal = kTraversalNanosPerEf * static_cast<double>(ef) / share;
  return scan <= traversal ? SearchPlan::Kind::kSlots : SearchPlan::Kind::kTraversal;
}

SearchPlan plan_filtered(std::vector<Slot> matches, std::size_t live, std::size_t ef, bool exact) {
  SearchPlan plan;
  plan.kind = exact ? SearchPlan::Kind::kSlots : cheaper_way(matches.size(), live, ef);
  plan.slots = std::move(matches);
  if (plan.kind == SearchPlan::Kind::kTraversal) plan.bitmap = bitmap_of(plan.slots);
  return plan;
}

}  // namespace vectorizer::shard
