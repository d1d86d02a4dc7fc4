#include <future>

#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using Clock = Deadline::Clock;

class SearchDeadline : public ClusterTest {};

TEST_F(SearchDeadline, ANodeThatDoesNotAnswerInTimeIsAFailure) {
  create(2, 2);
  auto hurried = query();
  hurried.allow_partial = true;
  hurried.deadline = Deadline(Clock::now(), 50);
  std::promise<void> release;
  peers.nodes.at(NodeId("node-2")).on_search = [released = release.get_future().share()](const SearchQuery&) {
    released.wait();
  };
  for (const auto& shard : shards()) primary(shard).hits[shard] = {{PointId(shard.value()), 1, "", {}}};

  const auto reply = data->search("docs", hurried);
  release.set_value();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->results.size(), 1U);
  ASSERT_EQ(reply->failures.size(), 1U);
  EXPECT_EQ(reply->failures[0].error.type, ErrorType::kTimeout);
  EXPECT_EQ(reply->failures[0].error.details, R"({"timeout_ms":50})");
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
