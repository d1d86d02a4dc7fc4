#include <algorithm>

#include "committer.hpp"
#include "forwarding_store.hpp"
#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

using enum WriteOutcome;

TEST(ShardWrite, AppliesInOrderAndSaysWhatWasNotFound) {
  ShardFixture shard(2);
  const auto outcomes = write(
      shard.shard(), {erase(1), upsert(1, {1, 2}, R"({"a":1})"), patch(1, {}, R"({"b":2})"), erase(2),
                      patch(2, {1, 1}, ""), upsert(3, {3, 3}), erase(3), edit(3, PayloadMode::kSet, R"({"a":1})")});
  EXPECT_EQ(outcomes,
            (std::vector{kNotFound, kApplied, kApplied, kNotFound, kNotFound, kApplied, kApplied, kNotFound}));
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, R"({"a":1,"b":2})");
  EXPECT_FALSE(point_of(shard.shard(), 3));
  EXPECT_EQ(*shard->count({}), 1U);
  EXPECT_EQ(shard->stats().sequence, 4U);  // not_found writes nothing
}

TEST(ShardWrite, ReturnsExactlyTheVectorThatCameIn) {
  ShardFixture shard(3, Metric::kCosine);
  write(shard.shard(), {upsert(1, {3, 0.1F, -7e-8F})});
  EXPECT_EQ(point_of(shard.shard(), 1)->vector, (std::vector<float>{3, 0.1F, -7e-8F}));
}

TEST(ShardWrite, PatchesWhatIsGivenAndKeepsTheRest) {
  ShardFixture shard(2);
  write(shard.shard(), {upsert(1, {1, 2}, R"({"a":{"x":1},"b":2})")});
  write(shard.shard(), {patch(1, {5, 6}, "")});
  EXPECT_EQ(point_of(shard.shard(), 1)->vector, (std::vector<float>{5, 6}));
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, R"({"a":{"x":1},"b":2})");
  write(shard.shard(), {patch(1, {}, R"({"a":{"x":null,"y":3}})")});
  EXPECT_EQ(point_of(shard.shard(), 1)->vector, (std::vector<float>{5, 6}));
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, R"({"a":{"y":3},"b":2})");
  write(shard.shard(), {upsert(1, {7, 8})});
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, "");
}

TEST(ShardWrite, EditsPayloadsByEveryModeAndTheFilterSeesIt) {
  ShardFixture shard(1);
  write(shard.shard(), {upsert(1, {1}, R"({"a":1,"b":{"c":1}})")});
  const auto matches = [&](const std::string& condition) {
    return *shard->count(filter_of(R"({"must":[)" + condition + "]}"));
  };
  write(shard.shard(), {edit(1, PayloadMode::kSet, R"({"b":{"d":2}})")});
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, R"({"a":1,"b":{"d":2}})");
  EXPECT_EQ(matches(R"({"key":"b.c","match":{"value":1}})"), 0U);
  EXPECT_EQ(matches(R"({"key":"b.d","match":{"value":2}})"), 1U);
  write(shard.shard(), {edit(1, PayloadMode::kDeleteKeys, "", {"a"})});
  EXPECT_EQ(matches(R"({"key":"a","exists":true})"), 0U);
  write(shard.shard(), {edit(1, PayloadMode::kReplace, R"({"z":"new"})")});
  EXPECT_EQ(matches(R"({"key":"z","match":{"value":"new"}})"), 1U);
  write(shard.shard(), {edit(1, PayloadMode::kMerge, R"({"y":true})")});
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, R"({"z":"new","y":true})");
  write(shard.shard(), {edit(1, PayloadMode::kClear, "")});
  EXPECT_EQ(point_of(shard.shard(), 1)->payload, "");
  EXPECT_EQ(matches(R"({"key":"z","exists":true})"), 0U);
}

TEST(ShardWrite, WritesNothingForWhatChangesNothing) {
  ShardFixture shard(2);
  write(shard.shard(), {upsert(1, {1, 2}, R"({"a":1})")});
  const auto outcomes = write(shard.shard(), {patch(1, {1, 2}, R"({"a":1})"), edit(1, PayloadMode::kSet, R"({"a":1})"),
                                              edit(1, PayloadMode::kDeleteKeys, "", {"none"})});
  EXPECT_EQ(outcomes, (std::vector{kApplied, kApplied, kApplied}));
  EXPECT_EQ(shard->stats().sequence, 1U);
  EXPECT_EQ(shard.disk().write_calls(), 1U);
}

TEST(ShardWrite, ChecksTheFilterAgainWhenItOrdersTheWrite) {
  ShardFixture shard(1);
  const Filter red = filter_of(R"({"must":[{"key":"color","match":{"value":"red"}}]})");
  const std::string big = R"({"color":"red","text":")" + std::string(5000, 'x') + R"("})";
  write(shard.shard(),
        {upsert(1, {1}, R"({"color":"red"})"), upsert(2, {2}, R"({"color":"blue"})"), upsert(3, {3}, big)});
  WriteOp delete_1 = erase(1), delete_2 = erase(2), delete_3 = erase(3), delete_4 = erase(4);
  WriteOp create_5 = upsert(5, {5}, R"({"color":"red"})");
  for (WriteOp* op : {&delete_1, &delete_2, &delete_3, &delete_4, &create_5}) op->only_if = &red;
  const auto outcomes = write(shard.shard(), {edit(1, PayloadMode::kSet, R"({"color":"green"})"), delete_1, delete_2,
                                              delete_3, delete_4, create_5});
  EXPECT_EQ(outcomes, (std::vector{kApplied, kNotFound, kNotFound, kApplied, kNotFound, kNotFound}));
  EXPECT_EQ(*shard->count({}), 2U);
}

TEST(ShardWrite, NamesTheVectorWhoseDimensionIsWrongAndAppliesNothing) {
  ShardFixture shard(2);
  const std::vector<WriteOp> ops{upsert(1, {1, 2}), upsert(PointId("odd"), {1, 2, 3})};
  const auto result = shard->write(ops);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().type, ErrorType::kDimensionMismatch);
  const auto details = nlohmann::json::parse(result.error().details);
  EXPECT_EQ(details, (nlohmann::json{{"expected", 2}, {"actual", 3}, {"index", 1}, {"id", "odd"}}));
  EXPECT_EQ(*shard->count({}), 0U);
  EXPECT_FALSE(shard->write(std::vector{patch(1, {1}, "")}));
  EXPECT_FALSE(shard->write(std::vector{upsert(1, {})}));
}

TEST(ShardWrite, RefusesToMergeAPayloadPastItsLimitAndAppliesNothingOfTheCall) {
  ShardFixture shard(1);
  const std::string half = R"(":")" + std::string(600 << 10, 'x') + R"("})";
  write(shard.shard(), {upsert(1, {1}, R"({"a)" + half)});
  const auto result =
      shard->write(std::vector{upsert(2, {2}), upsert(1, {5}, R"({"c)" + half), patch(1, {}, R"({"b)" + half)});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().type, ErrorType::kPayloadTooLarge);
  EXPECT_FALSE(point_of(shard.shard(), 2));
  EXPECT_EQ(point_of(shard.shard(), 1)->vector, std::vector<float>{1});
}

TEST(ShardWrite, PushesBackWhenTheTailIsFullButLetsDeletesThrough) {
  ShardFixture shard(4);
  shard.options().graph_threshold = 100;
  shard.options().tail_limit = 200;
  std::mt19937 random(1);
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 200; ++id) ops.push_back(upsert(id, random_vector(random, 4)));
  write(shard.shard(), ops);
  const auto refused = shard->write(std::vector{upsert(999, {1, 2, 3, 4})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kOverloaded);
  EXPECT_EQ(nlohmann::json::parse(refused.error().details),
            (nlohmann::json{{"queue", "index_tail"}, {"depth", 200}, {"limit", 200}}));
  EXPECT_GE(shard->stats().oldest_pending_seconds, 0);
  EXPECT_EQ(shard->stats().pending, 200U);
  write(shard.shard(), {erase(5)});
  shard.settle();
  EXPECT_EQ(shard->stats().pending, 0U);
  EXPECT_EQ(shard->stats().oldest_pending_seconds, 0);
  write(shard.shard(), {upsert(999, {1, 2, 3, 4})});
}

TEST(ShardWrite, AFailedBatchLeavesNothingHalfDone) {
  ShardFixture shard(1);
  write(shard.shard(), {upsert(1, {1}, R"({"a":1})")});
  for (const ErrorType type : {ErrorType::kStorageFull, ErrorType::kInternal}) {
    shard.disk().fail_next_write(Error{type, "refused"});
    const auto result = shard->write(std::vector{upsert(1, {9}, R"({"a":2})"), upsert(2, {2}), erase(1)});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().type, type);
    EXPECT_EQ(*shard->count({}), 1U);
    EXPECT_EQ(*shard->count(filter_of(R"({"must":[{"key":"a","match":{"value":1}}]})")), 1U);
    SearchQuery query;
    query.vector = {9};
    const auto found = shard->search(query);
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->front().score, 8);
  }
  write(shard.shard(), {upsert(2, {2})});
  EXPECT_EQ(shard->stats().sequence, 2U);  // gapless
}

TEST(ShardWrite, RefusesVectorsWhoseDistancesAFloatDoesNotHold) {
  for (const Metric metric : {Metric::kEuclidean, Metric::kDot}) {
    ShardFixture shard(2, metric);
    const auto refused = shard->write(std::vector{upsert(1, {1, 2}), upsert(2, {1e25F, 0})});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().type, ErrorType::kValidation);
    EXPECT_EQ(nlohmann::json::parse(refused.error().details),
              (nlohmann::json{{"field", "vector"}, {"index", 1}, {"id", "2"}}));
    EXPECT_FALSE(shard->write(std::vector{patch(1, {0, -3e38F}, "")}));
    EXPECT_EQ(*shard->count({}), 0U);
    write(shard.shard(), {upsert(1, {4e18F, 0}), upsert(2, {-4e18F, 0}), upsert(3, {0, 3e18F})});
    SearchQuery query;
    query.vector = {4e18F, 0};
    const auto found = shard->search(query);
    EXPECT_EQ(ids_of(*found), (std::vector{PointId(1), PointId(3), PointId(2)}));
    EXPECT_FLOAT_EQ((*found)[2].score, metric == Metric::kEuclidean ? 8e18F : -1.6e37F);
    query.vector = {1e25F, 0};
    EXPECT_EQ(shard->search(query).error().type, ErrorType::kValidation);
  }
  ShardFixture cosine(2, Metric::kCosine);  // takes unit vectors
  write(cosine.shard(), {upsert(1, {1e25F, 0}), upsert(2, {0, 3e38F})});
  SearchQuery query;
  query.vector = {1e30F, 0};
  const auto found = cosine->search(query);
  EXPECT_EQ(ids_of(*found), (std::vector{PointId(1), PointId(2)}));
  EXPECT_EQ((*found)[0].score, 1);
}

/// Says that a batch failed although it is on the disk.
class LyingStore final : public ForwardingStore {
 public:
  explicit LyingStore(bool& lie) : lie_(lie) {}
  Result<void> write(std::span<const storage::StoredWrite> writes) override {
    auto result = ForwardingStore::write(writes);
    if (lie_) return Error{ErrorType::kInternal, "connection to the disk lost"};
    return result;
  }

 private:
  bool& lie_;
};

TEST(ShardWrite, AgreesWithTheStoreAfterABatchOfUnknownOutcome) {
  ShardFixture shard(1);
  bool lie = false;
  shard.open(std::make_unique<LyingStore>(lie));
  write(shard.shard(), {upsert(1, {1}, R"({"a":1})"), upsert(2, {2})});
  lie = true;
  EXPECT_EQ(shard->write(std::vector{upsert(1, {5}, R"({"a":2})"), erase(2), upsert(3, {3})}).error().type,
            ErrorType::kInternal);
  lie = false;
  EXPECT_EQ(*shard->count(filter_of(R"({"must":[{"key":"a","match":{"value":2}}]})")), 1U);
  EXPECT_EQ(*shard->count({}), 2U);
  EXPECT_EQ(write(shard.shard(), {erase(2), erase(3)}), (std::vector{kNotFound, kApplied}));
  EXPECT_EQ(shard->stats().sequence, 6U);
}

/// Refuses what adds data after the first two points, as a full disk does.
class FullDiskStore final : public ForwardingStore {
 public:
  Result<void> write(std::span<const storage::StoredWrite> writes) override {
    const bool adds = std::any_of(writes.begin(), writes.end(), [](const auto& write) { return !write.deleted; });
    if (adds && applied_sequence() >= 2) return Error{ErrorType::kStorageFull, "the disk is full"};
    return ForwardingStore::write(writes);
  }
};

TEST(ShardWrite, AFullDiskFailsTheUpsertsOfAGroupAndNotItsDeletes) {
  // The committer alone, so that the group is what the test says.
  MetricsRegistry registry;
  ShardMetrics metrics(registry);
  ShardOptions options;
  options.collection.dimension = 1;
  ShardState state(options, std::make_unique<FullDiskStore>(), metrics);
  state.generation = make_generation(options);
  Committer committer(state);
  const auto commit = [&](std::vector<std::vector<WriteOp>> calls) {
    std::vector<PendingWrite> writes(calls.size());
    std::vector<PendingWrite*> group;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      writes[i].ops = calls[i];
      group.push_back(&writes[i]);
    }
    committer.commit(group);
    return writes;
  };
  commit({{upsert(1, {1}), upsert(2, {2})}});
  const auto writes = commit({{upsert(3, {3})}, {erase(1)}, {upsert(2, {5}), erase(2)}, {erase(9)}});
  EXPECT_EQ(writes[0].result.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(*writes[1].result, std::vector{kApplied});
  EXPECT_EQ(writes[2].result.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(*writes[3].result, std::vector{kNotFound});
  EXPECT_EQ(state.store->applied_sequence(), 3U);
  EXPECT_EQ(state.generation->table.live_count(), 1U);
  EXPECT_TRUE(state.generation->table.find(PointId(2)));
  EXPECT_EQ(state.generation->index->stats().live, 1U);
}

/// Cannot read point 1.
class DamagedStore final : public ForwardingStore {
 public:
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    if (std::find(ids.begin(), ids.end(), PointId(1)) != ids.end()) return Error{ErrorType::kInternal, "damaged"};
    return ForwardingStore::get_many(ids);
  }
};

TEST(ShardWrite, APointThatCannotBeReadFailsOnlyTheCallThatNeedsIt) {
  MetricsRegistry registry;
  ShardMetrics metrics(registry);
  ShardOptions options;
  options.collection.dimension = 1;
  ShardState state(options, std::make_unique<DamagedStore>(), metrics);
  state.generation = make_generation(options);
  Committer committer(state);
  const auto commit = [&](const std::vector<std::vector<WriteOp>>& calls) {
    std::vector<PendingWrite> writes(calls.size());
    std::vector<PendingWrite*> group;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      writes[i].ops = calls[i];
      group.push_back(&writes[i]);
    }
    committer.commit(group);
    return writes;
  };
  commit({{upsert(1, {1}), upsert(2, {2})}});

  const auto writes = commit({{patch(1, {}, R"({"a":1})")}, {upsert(3, {3})}, {patch(2, {5}, "")}});

  EXPECT_EQ(writes[0].result.error().type, ErrorType::kInternal);
  EXPECT_EQ(*writes[1].result, std::vector{kApplied});
  EXPECT_EQ(*writes[2].result, std::vector{kApplied});
  EXPECT_EQ(state.generation->table.live_count(), 3U);
}

}  // namespace
}  // namespace vectorizer::shard
