#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

class ReplySizeOfShard : public ::testing::Test {
 protected:
  ReplySizeOfShard() {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = 0; id < 200; ++id) ops.push_back(upsert(id, std::vector<float>(100), R"({"a":1})"));
    write(shard.shard(), ops);
    what.with_vector = true;
    what.max_bytes = 100 * 1300;  // some ninety points
    for (const auto& op : ops) all.push_back(op.id);
  }

  /// Every page until the end; the number of pages.
  int scroll_through(ScrollQuery query, std::vector<PointId>& seen) {
    query.limit = 1000;
    query.projection = what;
    for (int pages = 1;; ++pages) {
      const auto page = shard->scroll(query);
      EXPECT_TRUE(page && !page->points.empty());
      if (!page || page->points.empty()) return 0;
      for (const auto& point : page->points) seen.push_back(point.id);
      if (page->complete) return pages;
      query.after = page->points.back().id;
    }
  }

  ShardFixture shard{100};
  Projection what;
  std::vector<PointId> all;
};

TEST_F(ReplySizeOfShard, AGetOfTooMuchIsRefused) {
  const auto refused = shard->get(all, what);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kPayloadTooLarge);
  what.with_vector = false;
  const auto found = shard->get(all, what);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 200U);
  EXPECT_EQ(found->back()->id, PointId(199));
}

TEST_F(ReplySizeOfShard, ASearchForTooMuchIsRefused) {
  SearchQuery query;
  query.vector.resize(100);
  query.limit = 200;
  query.projection = what;
  const auto refused = shard->search(query);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kPayloadTooLarge);
  query.limit = 80;
  EXPECT_EQ(shard->search(query)->size(), 80U);
}

TEST_F(ReplySizeOfShard, APageEndsEarlyAndTheNextGoesOn) {
  std::vector<PointId> seen;
  EXPECT_EQ(scroll_through({}, seen), 3);
  EXPECT_EQ(seen, all);
  seen.clear();
  what.with_vector = false;
  EXPECT_EQ(scroll_through({}, seen), 1);
}

TEST_F(ReplySizeOfShard, AFilteredPageEndsEarlyToo) {
  ScrollQuery query;
  query.filter = filter_of(R"({"must":[{"key":"a","match":{"value":1}}]})");
  std::vector<PointId> seen;
  EXPECT_EQ(scroll_through(query, seen), 3);
  EXPECT_EQ(seen, all);
}

TEST_F(ReplySizeOfShard, APageHasAtLeastOnePoint) {
  what.max_bytes = 1;
  std::vector<PointId> seen;
  EXPECT_EQ(scroll_through({}, seen), 200);
  EXPECT_EQ(seen, all);
}

}  // namespace
}  // namespace vectorizer::shard
