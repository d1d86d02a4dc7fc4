#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "unit/shard/shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

WriteOp upsert(std::uint64_t id, float x) {
  WriteOp op;
  op.id = PointId(id);
  op.vector = {x};
  return op;
}
WriteOp erase(std::uint64_t id) {
  WriteOp op;
  op.kind = WriteOp::Kind::kDelete;
  op.id = PointId(id);
  return op;
}
float value_of(Shard& shard, std::uint64_t id) {
  Projection what;
  what.with_vector = true;
  const PointId point(id);
  const auto found = shard.get({&point, 1}, what);
  return found->front() ? found->front()->vector.at(0) : -1;
}

constexpr RequestStamp kFirst{{1, 2}, 3};

TEST(ShardRetry, WhatOthersWroteMeanwhileIsNotOverwritten) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 1), erase(2)}, kFirst));
  ASSERT_TRUE(shard->write(std::vector{erase(1)}));
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 9), upsert(2, 9)}));
  const std::vector<WriteOutcome> outcomes{WriteOutcome::kApplied, WriteOutcome::kNotFound};
  for (int time = 0; time < 2; ++time) {
    const auto again = shard->write(std::vector{upsert(1, 1), erase(2)}, kFirst);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, outcomes);
    EXPECT_EQ(value_of(shard.shard(), 1), 9);
    EXPECT_EQ(value_of(shard.shard(), 2), 9);
    shard.reopen();
  }
}

TEST(ShardRetry, AWriteThatChangesNothingIsRememberedToo) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->write(std::vector{erase(1)}, kFirst));
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 9)}));
  EXPECT_EQ(*shard->write(std::vector{erase(1)}, kFirst), std::vector{WriteOutcome::kNotFound});
  EXPECT_EQ(value_of(shard.shard(), 1), 9);
}

TEST(ShardRetry, TheSameIdWithAnotherBodyIsAConflict) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 1)}, kFirst));
  const auto other = shard->write(std::vector{upsert(1, 2)}, RequestStamp{kFirst.id, 4});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().type, ErrorType::kConflict);
  EXPECT_EQ(value_of(shard.shard(), 1), 1);
}

TEST(ShardRetry, WhatFailedIsDoneWhenItComesAgain) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->write(std::vector{upsert(2, 2)}));
  shard.disk().fail_next_write(Error{ErrorType::kShardUnavailable, "not now"});
  EXPECT_FALSE(shard->write(std::vector{upsert(1, 1)}, kFirst));
  EXPECT_TRUE(shard->write(std::vector{upsert(1, 1)}, kFirst));
  EXPECT_EQ(value_of(shard.shard(), 1), 1);
}

TEST(ShardRetry, RetriesThatRunBesideTheFirstAreAppliedOnce) {
  ShardFixture shard(1);
  shard.shard();
  constexpr std::uint64_t kRequests = 50;
  std::vector<std::jthread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&] {
      for (std::uint64_t i = 0; i < kRequests; ++i) {
        const auto done = shard->write(std::vector{upsert(i, 1), erase(i)}, RequestStamp{{i, 7}, i});
        ASSERT_TRUE(done);
        EXPECT_EQ(*done, std::vector(2, WriteOutcome::kApplied));
      }
    });
  }
  writers.clear();
  EXPECT_EQ(shard->stats().sequence, 3 * kRequests);
}

}  // namespace
}  // namespace vectorizer::shard
