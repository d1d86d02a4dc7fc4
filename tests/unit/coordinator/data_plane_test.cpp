#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using Clock = Deadline::Clock;

class SearchDeadline : public ClusterTest {};

TEST_F(SearchDeadline, WhoeverWasNotAskedInTimeIsAFailure) {
  create(2, 2);
  auto late = query();
  late.allow_partial = true;
  late.deadline = Deadline(Clock::now(), 60000);
  // The first node that is asked takes until the deadline.
  const auto be_slow = [&](const SearchQuery& asked) {
    const_cast<SearchQuery&>(asked).deadline = Deadline(Clock::now() - std::chrono::seconds(1), 250);
  };
  for (auto& [id, node] : peers.nodes) node.on_search = be_slow;
  for (const auto& shard : shards()) primary(shard).hits[shard] = {{PointId(shard.value()), 1, "", {}}};

  const auto reply = data->search("docs", late);
  ASSERT_TRUE(reply);
  EXPECT_EQ(peers.nodes.begin()->second.asked.size() + peers.nodes.rbegin()->second.asked.size(), 1U);
  EXPECT_EQ(reply->results.size(), 1U);
  ASSERT_EQ(reply->failures.size(), 1U);
  EXPECT_EQ(reply->failures[0].error.type, ErrorType::kTimeout);
  EXPECT_EQ(reply->failures[0].error.details, R"({"timeout_ms":250})");
}

TEST_F(SearchDeadline, ALateSearchAsksNobody) {
  create(1, 2);
  auto late = query();
  late.deadline = Deadline(Clock::now() - std::chrono::seconds(1), 250);
  EXPECT_EQ(data->search("docs", late).error().type, ErrorType::kTimeout);
  EXPECT_TRUE(peers.nodes.begin()->second.asked.empty());
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
