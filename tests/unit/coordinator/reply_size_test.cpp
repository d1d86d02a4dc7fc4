#include <algorithm>

#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

Point point(std::uint64_t id, std::size_t payload_bytes = 2) {
  return {PointId(id), {}, std::string(payload_bytes, 'x')};
}

std::vector<std::uint64_t> numbers(const std::vector<Point>& points) {
  std::vector<std::uint64_t> out;
  for (const auto& one : points) out.push_back(one.id.number());
  return out;
}

class ReplySizeTest : public ClusterTest {};

TEST_F(ReplySizeTest, APageThatEndsEarlyHidesNothingOfItsShard) {
  create(1, 2);
  auto& node = peers.nodes.begin()->second;
  node.pages[shards()[0]] = {{point(1), point(5)}, false};  // 7 and 8 follow in this shard
  node.pages[shards()[1]] = {{point(2), point(3), point(9)}, true};
  ScrollQuery query;
  query.projection.max_bytes = 1000;

  const auto page = data->scroll("docs", query, {});
  ASSERT_TRUE(page);
  EXPECT_EQ(numbers(page->points), (std::vector<std::uint64_t>{1, 2, 3, 5}));
  EXPECT_EQ(page->next, PointId(5));
  for (const auto& what : node.projections) EXPECT_EQ(what.max_bytes, 500U);

  node.pages[shards()[0]] = {{point(7), point(8)}, true};
  node.pages[shards()[1]] = {{point(9)}, true};
  const auto last = data->scroll("docs", query, {});
  EXPECT_EQ(numbers(last->points), (std::vector<std::uint64_t>{7, 8, 9}));
  EXPECT_FALSE(last->next);
}

TEST_F(ReplySizeTest, OnlyHitsThatAreWantedCount) {
  create(2, 4);
  for (const auto& shard : shards()) {
    primary(shard).hits[shard] = {
        {PointId(shard.value()), static_cast<float>(shard.value()), std::string(600, 'x'), {}}};
  }
  auto wanted = query();
  wanted.projection.max_bytes = 1000;
  wanted.limit = 1;
  const auto best = data->search("docs", wanted);
  ASSERT_TRUE(best) << best.error().message;
  EXPECT_EQ(best->results.at(0).id, PointId(3));

  wanted.limit = 2;
  wanted.allow_partial = true;
  const auto refused = data->search("docs", wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kPayloadTooLarge);
  EXPECT_EQ(refused.error().details, R"({"limit_bytes":1000})");
  EXPECT_NE(refused.error().message.find("limit"), std::string::npos);
}

TEST_F(ReplySizeTest, AShardWhoseHitsAreTooLargeIsNoFailureToLiveWith) {
  create(1, 2);
  peers.nodes.begin()->second.failures.emplace(shards()[1], Error{ErrorType::kPayloadTooLarge, "too large"});
  auto wanted = query();
  wanted.allow_partial = true;
  EXPECT_EQ(data->search("docs", wanted).error().type, ErrorType::kPayloadTooLarge);
}

TEST_F(ReplySizeTest, AGetIsBoundedOverAllShards) {
  create(1, 2);
  peers.nodes.begin()->second.payload = std::string(600, 'x');
  std::vector<PointId> ids{PointId(1), PointId(2)};
  Projection what;
  what.max_bytes = 1000;
  EXPECT_EQ(data->get("docs", ids, what, {}).error().type, ErrorType::kPayloadTooLarge);
  ids.pop_back();
  EXPECT_TRUE(data->get("docs", ids, what, {}));
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
