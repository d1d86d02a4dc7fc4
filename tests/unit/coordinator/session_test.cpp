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
