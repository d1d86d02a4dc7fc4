#include "slice_compare.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace vectorizer::node {
namespace {

peer::SlicePoint point(std::uint64_t id, std::uint64_t sequence, std::uint64_t hash = 1) {
  return {PointId(id), sequence, hash};
}

peer::CopySlice slice(std::uint64_t sequence, std::vector<peer::SlicePoint> list, bool complete = true) {
  peer::CopySlice out;
  out.sequence = sequence;
  out.points = list.size();
  if (!list.empty()) out.last = list.back().id;
  out.complete = complete;
  out.list = std::move(list);
  return out;
}

std::string difference(const peer::CopySlice& ours, const peer::CopySlice& theirs) {
  const auto result = compare(ours, theirs, {}, 0);
  return result.difference ? result.difference->text() : "";
}

TEST(SliceCompare, CopiesThatHoldTheSameAreEqualWhereverTheyAre) {
  EXPECT_EQ(difference(slice(9, {point(1, 3), point(2, 4)}), slice(9, {point(1, 3), point(2, 4)})), "");
  EXPECT_EQ(difference(slice(20, {point(1, 3)}), slice(9, {point(1, 3)})), "");
  EXPECT_EQ(difference(slice(0, {}), slice(0, {})), "");
}

TEST(SliceCompare, AnotherContentOfTheSameOperationIsADifference) {
  EXPECT_EQ(difference(slice(9, {point(1, 3, 0xa)}), slice(9, {point(1, 3, 0xb)})),
            "vector 1 is of operation 3, hash 000000000000000a at the primary and of operation 3, hash "
            "000000000000000b in this copy");
  EXPECT_NE(difference(slice(90, {point(1, 3, 1)}), slice(9, {point(1, 3, 2)})), "");
}

TEST(SliceCompare, WhatWasWrittenAfterTheOtherSliceExplainsADifference) {
  EXPECT_EQ(difference(slice(9, {point(1, 8)}), slice(7, {point(1, 3)})), "") << "changed";
  EXPECT_EQ(difference(slice(9, {point(1, 8)}), slice(7, {})), "") << "new";
  EXPECT_NE(difference(slice(9, {point(1, 7)}), slice(7, {point(1, 3)})), "") << "it should have been there";
  EXPECT_NE(difference(slice(9, {point(1, 7)}), slice(7, {})), "") << "lost there";
}

TEST(SliceCompare, AnOlderVersionHereIsADifference) {
  EXPECT_NE(difference(slice(9, {point(1, 3)}), slice(8, {point(1, 5)})), "");
}

TEST(SliceCompare, ASliceOfAnEarlierMomentSaysNothing) {
  const auto result = compare(slice(6, {}), slice(7, {point(1, 7)}), {}, 0);
  EXPECT_TRUE(result.too_early);
  EXPECT_FALSE(result.difference);
}

TEST(SliceCompare, WhatOnlyTheOtherHasWasDroppedMeanwhileOrIsStillThereLater) {
  EXPECT_NE(difference(slice(7, {}), slice(7, {point(1, 3)})), "") << "of the same moment";
  const auto first = compare(slice(9, {}), slice(7, {point(1, 3)}), {}, 0);
  EXPECT_FALSE(first.difference);
  ASSERT_EQ(first.doubtful, std::vector{point(1, 3)});
  EXPECT_FALSE(compare(slice(12, {}), slice(8, {point(1, 3)}), first.doubtful, 9).difference) << "not there yet";
  EXPECT_TRUE(compare(slice(12, {}), slice(9, {point(1, 3)}), first.doubtful, 9).difference);
  EXPECT_FALSE(compare(slice(12, {}), slice(9, {point(1, 9)}), first.doubtful, 9).difference) << "written again";
}

TEST(SliceCompare, BeyondTheEndOfASliceThatWasCutNothingIsKnown) {
  EXPECT_EQ(difference(slice(9, {point(1, 1), point(2, 2), point(3, 3)}), slice(9, {point(1, 1), point(2, 2)}, false)),
            "");
  EXPECT_NE(difference(slice(9, {point(1, 1), point(2, 2), point(3, 3)}), slice(9, {point(1, 1), point(3, 3)}, false)),
            "");
  EXPECT_EQ(difference(slice(9, {point(1, 1)}, false), slice(9, {point(1, 1), point(2, 2)})), "");
}

}  // namespace
}  // namespace vectorizer::node
