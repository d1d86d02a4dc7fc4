#include "search_planner.hpp"

#include <gtest/gtest.h>

namespace vectorizer::shard {
namespace {

using Kind = SearchPlan::Kind;

TEST(SearchPlanner, ScansFewMatchesWhateverTheirShare) {
  EXPECT_EQ(cheaper_way(10000, 10000, 64), Kind::kSlots);
  EXPECT_EQ(cheaper_way(10000, 10000000, 64), Kind::kSlots);
}

TEST(SearchPlanner, WalksWhenThatIsCheaper) {
  EXPECT_EQ(cheaper_way(20000, 200000, 64), Kind::kSlots);
  EXPECT_EQ(cheaper_way(100000, 200000, 64), Kind::kTraversal);
  EXPECT_EQ(cheaper_way(100000, 1000000, 64), Kind::kTraversal);
  EXPECT_EQ(cheaper_way(100000, 1000000, 4096), Kind::kSlots);
}

TEST(SearchPlanner, MarksExactlyTheMatchesForATraversal) {
  std::vector<Slot> even;
  for (Slot slot = 0; slot < 40000; slot += 2) even.push_back(slot);
  const SearchPlan plan = plan_filtered(even, 40000, 64, false);
  ASSERT_EQ(plan.kind, Kind::kTraversal);
  EXPECT_EQ(plan.bitmap.count, 20000U);
  for (Slot slot = 0; slot < 40100; ++slot) ASSERT_EQ(plan.bitmap.contains(slot), slot < 40000 && slot % 2 == 0);
  EXPECT_EQ(plan_filtered(even, 40000, 64, true).kind, Kind::kSlots);
}

}  // namespace
}  // namespace vectorizer::shard
