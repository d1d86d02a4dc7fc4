#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "unit/shard/shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

using storage::StoredWrite;

StoredWrite put(storage::SequenceNumber sequence, std::uint64_t id, float x, std::string payload = "") {
  return {sequence, false, Point{PointId(id), {x}, std::move(payload)}};
}
StoredWrite gone(storage::SequenceNumber sequence, std::uint64_t id) {
  return {sequence, true, Point{PointId(id), {}, {}}};
}
WriteOp upsert(std::uint64_t id, float x) {
  WriteOp op;
  op.id = PointId(id);
  op.vector = {x};
  return op;
}
std::vector<std::uint64_t> ids_in(Shard& shard) {
  std::vector<std::uint64_t> ids;
  const ScrollPage page = *shard.scroll({});
  for (const Point& point : page.points) ids.push_back(point.id.number());
  return ids;
}
std::uint64_t count_a(Shard& shard, const std::string& value) {
  return *shard.count(filter_of(R"({"must":[{"key":"a","match":{"value":)" + value + "}}]}"));
}

TEST(ShardApply, WhatIsAppliedIsStoredAndVisible) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1), put(2, 2, 2), put(3, 1, 5), gone(4, 2), put(5, 3, 3)}));
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{1, 3}));
  SearchQuery query;
  query.vector = {5};
  query.limit = 1;
  EXPECT_EQ(shard->search(query)->front().id, PointId(1));
  EXPECT_EQ(shard->stats().sequence, 5U);
  shard.reopen();
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{1, 3}));
}

TEST(ShardApply, WhatTheStoreHasIsLeftOut) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1), gone(2, 1)}));
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1), gone(2, 1), put(3, 2, 2)}));
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1)}));
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{2}));
}

TEST(ShardApply, ALongPayloadThatIsReplacedLeavesThePayloadIndex) {
  ShardFixture shard(1);
  const std::string filler(5000, 'x');
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1, R"({"a":1,"b":")" + filler + "\"}")}));
  EXPECT_EQ(count_a(shard.shard(), "1"), 1U);
  ASSERT_TRUE(shard->apply(std::vector{put(2, 1, 1, R"({"a":2,"b":")" + filler + "\"}")}));
  EXPECT_EQ(count_a(shard.shard(), "1"), 0U);
  EXPECT_EQ(count_a(shard.shard(), "2"), 1U);
  ASSERT_TRUE(shard->apply(std::vector{gone(3, 1)}));
  EXPECT_EQ(count_a(shard.shard(), "2"), 0U);
}

TEST(ShardApply, AChangeOfAnotherDimensionIsRefusedWhole) {
  ShardFixture shard(1);
  StoredWrite wrong = put(2, 2, 1);
  wrong.point.vector = {1, 2};
  EXPECT_EQ(shard->apply(std::vector{put(1, 1, 1), wrong}).error().type, ErrorType::kInternal);
  EXPECT_TRUE(ids_in(shard.shard()).empty());
}

TEST(ShardApply, AgreesWithTheStoreAfterABatchThatFailed) {
  ShardFixture shard(1);
  ASSERT_TRUE(shard->apply(std::vector{put(1, 1, 1)}));
  shard.disk().fail_next_write({ErrorType::kInternal, "the disk refused"});
  EXPECT_FALSE(shard->apply(std::vector{gone(2, 1)}));
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{1}));
  ASSERT_TRUE(shard->apply(std::vector{gone(2, 1), put(3, 2, 2)}));
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{2}));
}

/// A store whose writes are decided elsewhere: one that is pending is handed over by settle().
class DecidedElsewhere final : public storage::ShardStore {
 public:
  struct State {
    std::vector<StoredWrite> decided;
    std::optional<Error> refusal;
    storage::SequenceNumber last = 0;
  };
  explicit DecidedElsewhere(State& state) : state_(state) {}
  Result<void> write(std::span<const StoredWrite> writes) override { return store_.write(writes); }
  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override { return store_.get(id); }
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    return store_.get_many(ids);
  }
  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(storage::StoredPoint&&)>& visit) const override {
    return store_.scan(after, visit);
  }
  storage::SequenceNumber applied_sequence() const override { return store_.applied_sequence(); }
  storage::SequenceNumber last_sequence() const override { return std::max(state_.last, store_.applied_sequence()); }
  Result<std::vector<StoredWrite>> settle() override {
    if (state_.refusal) return *state_.refusal;
    return std::exchange(state_.decided, {});
  }

 private:
  State& state_;
  testing::MemoryShardStore store_;
};

TEST(ShardApply, AWriteIsResolvedOverWhatWasDecidedBeforeIt) {
  ShardFixture shard(1);
  DecidedElsewhere::State state;
  shard.open(std::make_unique<DecidedElsewhere>(state));
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 1)}));
  state.decided = {gone(2, 1), put(3, 2, 2)};
  WriteOp erase;
  erase.kind = WriteOp::Kind::kDelete;
  erase.id = PointId(1);
  EXPECT_EQ(*shard->write(std::vector{erase, upsert(3, 3)}),
            (std::vector{WriteOutcome::kNotFound, WriteOutcome::kApplied}));
  EXPECT_EQ(ids_in(shard.shard()), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(shard->stats().sequence, 4U);
}

TEST(ShardApply, NothingIsWrittenWhileSomethingIsUndecided) {
  ShardFixture shard(1);
  DecidedElsewhere::State state;
  shard.open(std::make_unique<DecidedElsewhere>(state));
  state.refusal = Error{ErrorType::kShardUnavailable, "not decided"};
  EXPECT_EQ(shard->write(std::vector{upsert(1, 1)}).error().type, ErrorType::kShardUnavailable);
  state.refusal.reset();
  EXPECT_TRUE(shard->write(std::vector{upsert(1, 1)}));
}

TEST(ShardApply, SequencesGoOnAfterOnesWithoutAChange) {
  ShardFixture shard(1);
  DecidedElsewhere::State state;
  shard.open(std::make_unique<DecidedElsewhere>(state));
  state.last = 7;
  ASSERT_TRUE(shard->write(std::vector{upsert(1, 1)}));
  EXPECT_EQ(shard->stats().sequence, 8U);
}

}  // namespace
}  // namespace vectorizer::shard
