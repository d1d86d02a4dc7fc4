#include <algorithm>
#include <numeric>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

using Clock = Deadline::Clock;

TEST(SearchDeadline, ALateSearchIsCutOff) {
  ShardFixture shard(1);
  write(shard.shard(), {upsert(1, {1})});
  SearchQuery query;
  query.vector = {0};
  query.deadline = Deadline(Clock::now() - std::chrono::seconds(1), 40);
  const auto found = shard->search(query);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().type, ErrorType::kTimeout);
  EXPECT_EQ(found.error().details, R"({"timeout_ms":40})");
}

TEST(SearchDeadline, IsNoticedWhileAFilterIsCheckedPointByPoint) {
  ShardFixture shard(1);
  std::string payload = R"({"list":[)";
  for (int i = 0; i < 200; ++i) payload += R"({"a":1,"b":"text"},)";
  payload += R"({"b":"other"}]})";  // so that the payload index cannot tell
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 2000; ++id) ops.push_back(upsert(id, {1}, payload));
  write(shard.shard(), ops);
  SearchQuery query;
  query.vector = {0};
  query.filter = filter_of(R"({"must":[{"nested":{"key":"list","filter":{"must":[
      {"key":"a","match":{"value":1}},{"key":"b","match":{"value":"other"}}]}}}]})");
  ASSERT_TRUE(shard->search(query));
  query.deadline = Deadline(Clock::now(), 2);  // 2000 payloads of 200 elements each take far longer
  const auto found = shard->search(query);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().type, ErrorType::kTimeout);
}

TEST(SearchDeadline, AScanInPiecesFindsWhatOneScanWould) {
  constexpr std::size_t kDimension = 16384;  // 256 vectors a piece
  ShardFixture shard(kDimension);
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 700; ++id) {
    std::vector<float> vector(kDimension);
    vector[0] = static_cast<float>(id * 37 % 350);  // each distance twice, in different pieces
    ops.push_back(upsert(id, std::move(vector)));
  }
  write(shard.shard(), ops);
  std::vector<PointId> all;
  for (const auto& op : ops) all.push_back(op.id);
  std::sort(all.begin(), all.end(), [](const PointId& a, const PointId& b) {
    const auto distance = [](const PointId& id) { return id.number() * 37 % 350; };
    return distance(a) != distance(b) ? distance(a) < distance(b) : a < b;
  });
  SearchQuery query;
  query.vector.resize(kDimension);
  query.exact = true;
  for (const std::size_t limit : {1U, 10U, 333U, 700U, 1000U}) {
    query.limit = limit;
    const auto found = shard->search(query);
    ASSERT_TRUE(found);
    EXPECT_EQ(ids_of(*found),
              std::vector<PointId>(all.begin(), all.begin() + static_cast<long>(std::min<std::size_t>(limit, 700))));
  }
}

}  // namespace
}  // namespace vectorizer::shard
