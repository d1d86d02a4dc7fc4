#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

class SessionPositions : public ClusterTest {
 protected:
  std::vector<WriteOp> upserts(std::uint64_t count) {
    std::vector<WriteOp> ops(count);
    for (std::uint64_t id = 0; id < count; ++id) {
      ops[id].id = PointId(id);
      ops[id].vector = {1, 0};
    }
    return ops;
  }
};

TEST_F(SessionPositions, AWriteNamesTheShardsThatItTouched) {
  create(2, 2);
  for (const auto& shard : shards()) primary(shard).sequences[shard] = 40 + shard.value();
  const auto report = data->write("docs", upserts(1));
  ASSERT_TRUE(report);
  ASSERT_EQ(report->positions.size(), 1U);
  const auto& [shard, position] = *report->positions.begin();
  EXPECT_EQ(position, (LogPosition{.sequence = 40 + shard.value(), .term = 1}));
  EXPECT_EQ(data->write("docs", upserts(100))->positions.size(), 2U);
}

TEST_F(SessionPositions, OnlyWhatTheShardsCannotHaveIsLost) {
  create(1, 2);
  const auto shard = shards()[1];
  primary(shard).sequences[shard] = 40;
  const auto check = [&](std::uint64_t sequence, std::uint64_t term) {
    return data->check_session("docs", {{shard, {.sequence = sequence, .term = term}}});
  };
  EXPECT_TRUE(check(40, 1));
  EXPECT_TRUE(check(0, 1));
  EXPECT_TRUE(data->check_session("docs", {}));
  for (const auto& lost : {check(41, 1), check(1, 2)}) {
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().type, ErrorType::kSessionLost);
    EXPECT_EQ(lost.error().details, "{\"shard_id\":" + std::to_string(shard.value()) + "}");
  }
  EXPECT_EQ(data->check_session("none", {}).error().type, ErrorType::kCollectionNotFound);
}

TEST_F(SessionPositions, ShardsOfADroppedCollectionSayNothing) {
  create(1, 1);
  const auto before = shards()[0];
  ASSERT_TRUE(metadata.propose(cluster::DropCollection{"docs"}));
  create_collection(1);
  ASSERT_NE(shards()[0], before);
  EXPECT_TRUE(data->check_session("docs", {{before, {.sequence = 99, .term = 9}}}));
}

TEST_F(SessionPositions, AFailedPartNamesItsPlaceInTheRequest) {
  create(1, 2);
  auto ops = upserts(20);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ops.size(); ++i) places.push_back(2 * i + 1);
  const auto& record = *metadata.current()->find("docs");
  const auto failing = record.shard_of(PointId(7));
  primary(failing).failures.emplace(failing, Error{ErrorType::kTimeout, "slow"});
  const auto written = data->write("docs", ops, places);
  ASSERT_FALSE(written);
  const auto details = nlohmann::json::parse(written.error().details);
  ASSERT_FALSE(details["failed"].empty());
  for (const auto& failed : details["failed"]) {
    EXPECT_EQ(failed["index"], 2 * failed["id"].get<std::uint64_t>() + 1);
    EXPECT_EQ(failed["outcome"], "unknown");
  }
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
