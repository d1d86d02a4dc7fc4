#include <algorithm>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

SearchQuery query_of(std::vector<float> vector, std::size_t limit) {
  SearchQuery query;
  query.vector = std::move(vector);
  query.limit = limit;
  return query;
}

std::vector<PointId> numbers(std::initializer_list<std::uint64_t> values) {
  std::vector<PointId> ids;
  for (const auto value : values) ids.emplace_back(value);
  return ids;
}

TEST(ShardSearch, ReturnsBestFirstWithTheScoresThatClientsSee) {
  ShardFixture euclidean(2);
  write(euclidean.shard(), {upsert(1, {3, 4}), upsert(2, {0, 1}), upsert(3, {0, 0})});
  const auto found = euclidean->search(query_of({0, 0}, 10));
  EXPECT_EQ(ids_of(*found), numbers({3, 2, 1}));
  EXPECT_EQ((*found)[2].score, 5);

  ShardFixture cosine(2, Metric::kCosine);
  write(cosine.shard(), {upsert(1, {5, 0}), upsert(2, {0, 3}), upsert(3, {0, 0}), upsert(4, {-1, 0})});
  const auto similar = cosine->search(query_of({2, 0}, 10));
  EXPECT_EQ(ids_of(*similar), numbers({1, 2, 3, 4}));
  EXPECT_NEAR((*similar)[0].score, 1, 1e-6);
  EXPECT_NEAR((*similar)[2].score, 0, 1e-6);
  EXPECT_NEAR((*similar)[3].score, -1, 1e-6);
}

TEST(ShardSearch, BreaksTiesByIdAlsoAtTheCut) {
  ShardFixture shard(1);
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 100; id > 0; --id)
    ops.push_back(upsert(id, {1}, R"({"odd":)" + std::string(id % 2 ? "true}" : "false}")));
  write(shard.shard(), ops);
  EXPECT_EQ(ids_of(*shard->search(query_of({0}, 3))), numbers({1, 2, 3}));
  SearchQuery filtered = query_of({0}, 3);
  filtered.filter = filter_of(R"({"must":[{"key":"odd","match":{"value":true}}]})");
  EXPECT_EQ(ids_of(*shard->search(filtered)), numbers({1, 3, 5}));
  filtered.offset = 1;
  EXPECT_EQ(ids_of(*shard->search(filtered)), numbers({1, 3, 5, 7}));
}

TEST(ShardSearch, CutsAtTheThresholdInTheDirectionOfTheMetric) {
  ShardFixture euclidean(1);
  write(euclidean.shard(), {upsert(1, {1}), upsert(2, {2}), upsert(3, {3})});
  SearchQuery query = query_of({0}, 10);
  query.score_threshold = 2;
  EXPECT_EQ(ids_of(*euclidean->search(query)), numbers({1, 2}));
  ShardFixture dot(1, Metric::kDot);
  write(dot.shard(), {upsert(1, {1}), upsert(2, {2}), upsert(3, {3})});
  query.vector = {1};
  EXPECT_EQ(ids_of(*dot->search(query)), numbers({3, 2}));
}

TEST(ShardSearch, ReturnsThePartsThatWereAskedFor) {
  ShardFixture shard(1);
  const std::string big = R"({"k":"v","text":")" + std::string(5000, 'x') + R"("})";
  write(shard.shard(), {upsert(1, {1}, R"({"k":1,"other":2})"), upsert(2, {2}, big)});
  SearchQuery query = query_of({0}, 10);
  EXPECT_EQ((*shard->search(query))[1].payload, big);
  EXPECT_TRUE((*shard->search(query))[0].vector.empty());
  query.projection.payload_keys = {"k"};
  query.projection.with_vector = true;
  const auto some = *shard->search(query);
  EXPECT_EQ(some[0].payload, R"({"k":1})");
  EXPECT_EQ(some[1].payload, R"({"k":"v"})");
  EXPECT_EQ(some[1].vector, std::vector<float>{2});
  query.projection = Projection{false, false, {}};
  EXPECT_EQ((*shard->search(query))[1].payload, "");
  ScrollQuery scroll;
  scroll.projection.payload_keys = {"k"};
  EXPECT_EQ(shard->scroll(scroll)->points[1].payload, R"({"k":"v"})");
}

TEST(ShardSearch, RefusesAQueryOfAnotherDimension) {
  ShardFixture shard(2);
  EXPECT_EQ(shard->search(query_of({1}, 1)).error().type, ErrorType::kDimensionMismatch);
}

TEST(ShardSearch, FiltersOnLongPayloadsAndOnWhatThePayloadIndexIsNotSureOf) {
  ShardFixture shard(1);
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 600; ++id) {
    const std::string pad = id % 3 == 0 ? std::string(2000, 'x') : "";
    ops.push_back(upsert(
        id, {static_cast<float>(id)},
        R"({"parts":[{"n":)" + std::to_string(id % 10) + R"(,"s":"a"},{"n":-1,"s":"b"}],"pad":")" + pad + R"("})"));
  }
  write(shard.shard(), ops);
  const Filter nested = filter_of(
      R"({"must":[{"nested":{"key":"parts","filter":{"must":[{"key":"n","match":{"value":7}},{"key":"s","match":{"value":"a"}}]}}}]})");
  EXPECT_EQ(*shard->count(nested), 60U);
  SearchQuery query = query_of({0}, 3);
  query.filter = nested;
  EXPECT_EQ(ids_of(*shard->search(query)), numbers({7, 17, 27}));
  EXPECT_EQ(*shard->matching(nested, PointId(17), 2), numbers({27, 37}));
  query.filter = filter_of(
      R"({"must":[{"nested":{"key":"parts","filter":{"must":[{"key":"n","match":{"value":7}},{"key":"s","match":{"value":"b"}}]}}}]})");
  EXPECT_TRUE(shard->search(query)->empty());
}

TEST(ShardSearch, ScrollsInIdOrderWithAndWithoutAFilter) {
  ShardFixture shard(1);
  std::vector<WriteOp> ops{upsert(PointId("z"), {0}, R"({"a":1})")};
  for (std::uint64_t id = 50; id-- > 0;) ops.push_back(upsert(id, {0}, R"({"a":)" + std::to_string(id % 2) + "}"));
  write(shard.shard(), ops);
  for (const bool filtered : {false, true}) {
    ScrollQuery query;
    query.limit = 7;
    if (filtered) query.filter = filter_of(R"({"must":[{"key":"a","match":{"value":1}}]})");
    std::vector<PointId> seen;
    for (bool complete = false; !complete;) {
      const auto page = shard->scroll(query);
      ASSERT_TRUE(page);
      ASSERT_LE(page->points.size(), query.limit);
      for (const auto& point : page->points) seen.push_back(point.id);
      complete = page->complete;
      query.after = seen.back();
    }
    EXPECT_EQ(seen.size(), filtered ? 26U : 51U);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(seen.back(), PointId("z"));
  }
}

}  // namespace
}  // namespace vectorizer::shard
