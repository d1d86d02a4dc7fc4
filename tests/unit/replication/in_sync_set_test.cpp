#include "in_sync_set.hpp"

#include <gtest/gtest.h>

#include "log_match.hpp"

namespace vectorizer::replication {
namespace {

using cluster::CopyRole;
using std::chrono::seconds;

/// Copy 1 leads; 2 is in sync, 3 as said.
cluster::ShardPlacement placement_of(std::uint64_t version, CopyRole second, CopyRole third) {
  cluster::ShardPlacement placement;
  placement.shard = ShardId(1);
  placement.isr_version = version;
  placement.primary = NodeId("a");
  placement.copies = {
      {1, NodeId("a"), CopyRole::kInSync, ""}, {2, NodeId("b"), second, ""}, {3, NodeId("c"), third, ""}};
  return placement;
}

class InSyncSetTest : public ::testing::Test {
 protected:
  void show(std::uint64_t version, CopyRole second, CopyRole third) {
    placement_ = placement_of(version, second, third);
    set_.update(placement_, 1, {10, 1}, now_);
  }
  void accept(std::uint64_t copy, std::uint64_t match) {
    Follower& follower = *set_.find(copy);
    follower.matched = true;
    follower.match = match;
    follower.accepted_at = now_;
  }
  std::optional<cluster::MetadataCommand> next(std::uint64_t commit, std::uint64_t last) {
    return set_.next_change(placement_, commit, last, now_, options_);
  }

  ReplicationOptions options_;
  Timepiece::Point now_{seconds(1000)};
  cluster::ShardPlacement placement_;
  InSyncSet set_;
};

TEST_F(InSyncSetTest, CommitsWhatEveryRequiredCopyHas) {
  show(1, CopyRole::kInSync, CopyRole::kStale);
  EXPECT_EQ(set_.committed(12), std::nullopt);  // copy 2 has not said where it is
  accept(2, 11);
  EXPECT_EQ(set_.committed(12), 11U);
  EXPECT_EQ(set_.committed(9), 9U);
  EXPECT_EQ(set_.on_every_copy(12), 0U);
  accept(3, 5);
  EXPECT_EQ(set_.committed(12), 11U);
  EXPECT_EQ(set_.on_every_copy(12), 5U);
}

TEST_F(InSyncSetTest, ACopyWhoseNodeIsGoneLeavesSoonerThanOneThatIsSilent) {
  show(1, CopyRole::kInSync, CopyRole::kInSync);
  accept(2, 11);
  accept(3, 12);
  set_.find(2)->unreachable_since = now_;
  now_ += options_.unreachable;
  EXPECT_EQ(next(11, 12), std::nullopt);
  now_ += std::chrono::milliseconds(1);
  const auto command = next(11, 12);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<cluster::ShrinkIsr>(*command).copy, 2U);
}

TEST_F(InSyncSetTest, ACopyWhoseNodeTheClusterHasGivenUpLeavesAtOnceUnlessItAnswers) {
  show(1, CopyRole::kInSync, CopyRole::kInSync);
  set_.find(2)->dead = set_.find(3)->dead = true;
  now_ += options_.dead;
  accept(3, 11);
  EXPECT_EQ(next(11, 12), std::nullopt);
  now_ += std::chrono::milliseconds(1);
  const auto command = next(11, 12);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<cluster::ShrinkIsr>(*command).copy, 2U);
}

TEST_F(InSyncSetTest, ACopyWhoseNodeIsGoneDoesNotJoin) {
  show(1, CopyRole::kStale, CopyRole::kInSync);
  accept(2, 12);
  accept(3, 12);
  set_.find(2)->unreachable_since = now_;
  EXPECT_EQ(next(12, 12), std::nullopt);
  set_.find(2)->unreachable_since.reset();
  const auto command = next(12, 12);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<cluster::GrowIsr>(*command).copy, 2U);
}

TEST_F(InSyncSetTest, ASilentCopyIsRequiredUntilTheMetadataShowsThatItLeft) {
  show(1, CopyRole::kInSync, CopyRole::kInSync);
  accept(2, 11);
  accept(3, 12);
  now_ += seconds(3);
  accept(3, 12);
  const auto command = next(11, 12);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<cluster::ShrinkIsr>(*command).copy, 2U);
  EXPECT_EQ(set_.committed(12), 11U);
  EXPECT_EQ(next(11, 12), std::nullopt);  // one at a time
  set_.answered(*command, ProposalResult::Outcome::kCommitted);
  EXPECT_EQ(set_.committed(12), 11U);
  show(2, CopyRole::kStale, CopyRole::kInSync);
  EXPECT_EQ(set_.committed(12), 12U);
}

TEST_F(InSyncSetTest, ACopyThatIsBeingRemovedDoesNotCountForTheMinimum) {
  show(1, CopyRole::kInSync, CopyRole::kInSync);
  EXPECT_EQ(set_.surely_in_sync(), 3U);
  now_ += seconds(3);
  accept(3, 12);
  ASSERT_TRUE(next(11, 12));
  EXPECT_EQ(set_.surely_in_sync(), 2U);
}

TEST_F(InSyncSetTest, ACopyThatJoinsIsRequiredBeforeItIsProposed) {
  show(1, CopyRole::kInSync, CopyRole::kRecovering);
  accept(2, 20);
  accept(3, 19);
  EXPECT_EQ(next(20, 20), std::nullopt);  // it lacks what is committed
  accept(3, 20);
  const auto command = next(20, 20);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<cluster::GrowIsr>(*command).copy, 3U);
  accept(2, 21);
  EXPECT_EQ(set_.committed(21), 20U);
  EXPECT_EQ(set_.surely_in_sync(), 2U);
}

TEST_F(InSyncSetTest, AnUnknownOutcomeKeepsTheCopyRequiredUntilALaterVersion) {
  show(1, CopyRole::kInSync, CopyRole::kStale);
  accept(2, 20);
  accept(3, 20);
  const auto grow = next(20, 20);
  ASSERT_TRUE(grow);
  set_.answered(*grow, ProposalResult::Outcome::kUnknown);
  now_ += seconds(9);
  accept(2, 21);
  const auto bump = next(20, 21);
  ASSERT_TRUE(bump);
  EXPECT_EQ(std::get<cluster::BumpIsr>(*bump).isr_version, 1U);
  set_.answered(*bump, ProposalResult::Outcome::kRefused);  // which says nothing about the change itself
  show(1, CopyRole::kInSync, CopyRole::kStale);
  EXPECT_EQ(set_.committed(21), 20U);
  show(2, CopyRole::kInSync, CopyRole::kStale);
  EXPECT_EQ(set_.committed(21), 21U);
}

TEST_F(InSyncSetTest, TheAnswerToAnEarlierProposalDoesNotSettleTheNextOne) {
  show(1, CopyRole::kInSync, CopyRole::kStale);
  accept(2, 20);
  accept(3, 20);
  const cluster::MetadataCommand earlier = cluster::GrowIsr{ShardId(1), 1, 0, 3};
  ASSERT_TRUE(next(20, 20));
  set_.answered(earlier, ProposalResult::Outcome::kRefused);
  accept(2, 21);
  EXPECT_EQ(set_.committed(21), 20U);  // copy 3 may still join
}

TEST_F(InSyncSetTest, ARefusedChangeIsOver) {
  show(1, CopyRole::kInSync, CopyRole::kStale);
  accept(2, 20);
  accept(3, 20);
  const auto grow = next(20, 20);
  ASSERT_TRUE(grow);
  set_.answered(*grow, ProposalResult::Outcome::kRefused);
  accept(2, 21);
  EXPECT_EQ(set_.committed(21), 21U);
}

struct MatchCase {
  const char* what;
  std::vector<TermStart> ours;
  LogPosition our_base, our_last;
  std::vector<TermStart> theirs;
  LogPosition their_last;
  std::optional<LogPosition> match;
};

TEST(LastMatch, IsTheEndOfTheShorterRunOfTheLastCommonTerm) {
  const MatchCase cases[] = {
      {"equal", {{1, 1}}, {}, {5, 1}, {{1, 1}}, {5, 1}, LogPosition{5, 1}},
      {"behind", {{1, 1}}, {}, {9, 1}, {{1, 1}}, {5, 1}, LogPosition{5, 1}},
      {"a tail of an old term", {{1, 1}, {3, 6}}, {}, {9, 3}, {{1, 1}, {2, 6}}, {8, 2}, LogPosition{5, 1}},
      {"a longer run of an old term", {{1, 1}, {3, 6}}, {}, {9, 3}, {{1, 1}}, {8, 1}, LogPosition{5, 1}},
      {"empty", {{1, 1}}, {}, {9, 1}, {}, {}, LogPosition{}},
      {"both empty", {}, {}, {}, {}, {}, LogPosition{}},
      {"nothing in common", {{4, 1}}, {}, {9, 4}, {{2, 1}}, {3, 2}, LogPosition{}},
      {"pruned beyond them", {{4, 20}}, {20, 4}, {29, 4}, {{4, 1}}, {10, 4}, std::nullopt},
      {"pruned up to them", {{4, 20}}, {20, 4}, {29, 4}, {{4, 1}}, {20, 4}, LogPosition{20, 4}},
      {"they have pruned more", {{1, 1}, {4, 5}}, {}, {29, 4}, {{4, 20}}, {25, 4}, LogPosition{25, 4}},
      {"they are empty and ours is pruned", {{4, 20}}, {20, 4}, {29, 4}, {}, {}, std::nullopt},
      {"theirs is longer", {{1, 1}, {2, 4}}, {}, {6, 2}, {{1, 1}, {2, 4}}, {9, 2}, LogPosition{6, 2}},
  };
  for (const MatchCase& each : cases) {
    EXPECT_EQ(last_match({each.ours, each.our_base, each.our_last}, {each.theirs, {}, each.their_last}), each.match)
        << each.what;
  }
}

}  // namespace
}  // namespace vectorizer::replication
