#include "write_coordinator.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using ::testing::HasSubstr;

/// Two nodes that may take over from each other.
class WriteCoordinatorTest : public ClusterTest {
 protected:
  explicit WriteCoordinatorTest(std::uint32_t spoken = known_protocol()) {
    protocol = spoken;
    create_nodes(2);
    CollectionConfig config;
    config.name = "docs";
    config.dimension = 2;
    config.sharding.shard_count = 2;
    config.sharding.replication_factor = 2;
    EXPECT_TRUE(metadata.propose(cluster::CreateCollection{config, 0}));
  }

  Result<WriteReport> write(std::uint32_t timeout_ms) {
    std::vector<WriteOp> ops(20);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].id = PointId(i);
      ops[i].vector = {1, 2};
    }
    return WriteCoordinator([this] { return ShardRouting::of(metadata, peers, NodeId("node-1"), "docs"); }, lane_,
                            outages_, Deadline(Deadline::Clock::now(), timeout_ms))
        .write(std::move(ops), {}, RequestKey::of("docs", {}));
  }

  Lane lane_{"fanout", 4, 64};
  Outages outages_;
};

TEST_F(WriteCoordinatorTest, AskEachPrimaryForItsShards) {
  const auto report = write(5000);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->applied, 20U);
  EXPECT_EQ(report->positions.size(), 2U);
}

TEST_F(WriteCoordinatorTest, AShardThatMovesMeanwhileIsWrittenWhereItWent) {
  const auto shard = shards().front();
  const auto old = metadata.current()->placements.at(shard).primary;
  primary(shard).failures.emplace(shard, Error{ErrorType::kShardUnavailable, "this copy is not the primary"});
  primary(shard).on_write = [&] {
    auto placement = metadata.current()->placements.at(shard);
    if (placement.primary != old) return;
    const NodeId other(old == NodeId("node-1") ? "node-2" : "node-1");
    EXPECT_TRUE(metadata.propose(cluster::Promote{shard, placement.term, placement.isr_version, other}));
  };
  const auto report = write(5000);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->applied, 20U);
  EXPECT_EQ(report->positions.at(shard).term, 2U);
}

TEST_F(WriteCoordinatorTest, WhatMayHaveBeenDoneIsAskedForUnderTheSameStamp) {
  const auto shard = shards().front();
  auto& node = primary(shard);
  const Error unknown = Error{ErrorType::kTimeout, "the primary went away"}.with("outcome", "unknown");
  node.failures.emplace(shard, unknown);
  std::vector<RequestStamp> stamps;
  node.on_shard_write = [&](const peer::ShardWrite& write) {
    if (write.shard != shard) return;
    ASSERT_TRUE(write.stamp);
    stamps.push_back(*write.stamp);
    if (stamps.size() == 3) node.failures.clear();
  };
  const auto report = write(5000);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->applied, 20U);
  EXPECT_EQ(stamps, std::vector(3, stamps.front()));
}

TEST_F(WriteCoordinatorTest, ARefusalAfterADoubtfulAttemptDoesNotMakeItCertain) {
  const auto shard = shards().front();
  auto& node = primary(shard);
  node.failures.emplace(shard, Error{ErrorType::kTimeout, "no answer"}.with("outcome", "unknown"));
  int writes = 0;
  node.on_shard_write = [&](const peer::ShardWrite& write) {
    if (write.shard != shard || ++writes != 2) return;
    node.failures.clear();
    node.failures.emplace(shard, Error{ErrorType::kShardUnavailable, "its primary is taking over"});
  };
  const auto report = write(400);
  ASSERT_FALSE(report);
  EXPECT_GT(writes, 1);
  EXPECT_THAT(report.error().details, HasSubstr(R"("outcome":"unknown")"));
}

TEST_F(WriteCoordinatorTest, AWriteByFilterTakesItsKeyOnEveryShardBeforeItChangesAnything) {
  const std::vector<PointId> ids{PointId(0)};
  const ShardId shard = ShardRouting::of(metadata, peers, NodeId("node-1"), "docs")->shard_of(ids[0]);
  primary(shard).matches[shard] = ids;
  std::mutex mutex;  // the shards are written side by side
  std::vector<std::size_t> sizes;
  std::map<std::pair<ShardId, std::size_t>, RequestStamp> stamps;
  for (auto& [id, node] : peers.nodes) {
    node.on_shard_write = [&](const peer::ShardWrite& write) {
      const std::lock_guard lock(mutex);
      sizes.push_back(write.ops.size());
      stamps[{write.shard, write.ops.size()}] = write.stamp.value();
    };
  }
  WriteOp erase;
  erase.kind = WriteOp::Kind::kDelete;
  ASSERT_TRUE(data->write_matching("docs", {}, erase, {"k", 1}));
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 0, 1}));
  const auto first = std::exchange(stamps, {});
  EXPECT_EQ(first.size(), 3U);
  ASSERT_TRUE(data->write_matching("docs", {}, erase, {"k", 1}));
  EXPECT_EQ(stamps, first);
  sizes.clear();
  ASSERT_TRUE(data->write_matching("docs", {}, erase, {}));  // nobody else knows it
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1}));
}

TEST_F(WriteCoordinatorTest, AKeyOfAnotherRequestIsAConflictWhateverTheOtherShardsSay) {
  const auto shard = shards().front();
  primary(shard).failures.emplace(shard, Error{ErrorType::kConflict, "used for another request"});
  const auto report = write(5000);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().type, ErrorType::kConflict);
  EXPECT_THAT(report.error().details, HasSubstr(R"("applied":)"));
}

TEST(RequestKey, NamesTheRequestTheShardAndTheBody) {
  const auto stamp = [](const std::string& collection, const std::string& key, std::uint32_t shard,
                        std::uint64_t body) {
    return RequestKey::of(collection, {key, body}).stamp(ShardId(shard));
  };
  const auto first = stamp("docs", "k", 1, 5);
  EXPECT_EQ(stamp("docs", "k", 1, 5), first);
  EXPECT_EQ(stamp("docs", "k", 1, 6).id, first.id);
  EXPECT_NE(stamp("docs", "k", 1, 6).body, first.body);
  EXPECT_NE(stamp("docs", "k", 2, 5).id, first.id);
  EXPECT_NE(stamp("docs", "l", 1, 5).id, first.id);
  EXPECT_NE(stamp("docz", "k", 1, 5).id, first.id);
  EXPECT_NE(stamp("docs", "", 1, 5).id, stamp("docs", "", 1, 5).id);
}

TEST(RequestKey, ChunksAreRememberedByThemselves) {
  const auto key = RequestKey::of("docs", {"k", 5});
  const auto id = [&](const std::vector<PointId>& ids) { return key.chunk(ids).stamp(ShardId(1)).id; };
  const auto first = id({PointId(1), PointId("a")});
  EXPECT_EQ(id({PointId(1), PointId("a")}), first);
  EXPECT_NE(id({PointId(1)}), first);
  EXPECT_NE(id({PointId(1), PointId("b")}), first);
  EXPECT_NE(first, key.stamp(ShardId(1)).id);
  EXPECT_EQ(key.chunk({}).stamp(ShardId(1)).body, 5U);
}

TEST_F(WriteCoordinatorTest, AShardThatIsGoneDoesNotHoldEveryWrite) {
  const auto shard = shards().front();
  int asked = 0;
  primary(shard).on_shard_write = [&](const peer::ShardWrite& write) { asked += write.shard == shard ? 1 : 0; };
  primary(shard).failures.emplace(shard, Error{ErrorType::kShardUnavailable, "this copy is not the primary"});
  EXPECT_EQ(write(500).error().type, ErrorType::kPartialWrite);
  EXPECT_GT(asked, 1);
  asked = 0;
  EXPECT_EQ(write(200).error().type, ErrorType::kPartialWrite);
  EXPECT_EQ(asked, 1);
}

/// A node is left that would not know what became of a write.
class WriteOfTheFirstProtocol : public WriteCoordinatorTest {
 protected:
  WriteOfTheFirstProtocol() : WriteCoordinatorTest(kFirstProtocol) {}
};

TEST_F(WriteOfTheFirstProtocol, WhatMayHaveBeenDoneIsNotDoneAgain) {
  const auto shard = shards().front();
  std::atomic<int> asked = 0;
  for (auto& [id, node] : peers.nodes) {
    node.on_shard_write = [&](const peer::ShardWrite& write) {
      EXPECT_FALSE(write.stamp);
      asked += write.shard == shard ? 1 : 0;
    };
  }
  primary(shard).failures.emplace(shard, Error{ErrorType::kTimeout, "no answer"}.with("outcome", "unknown"));
  const auto report = write(5000);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().type, ErrorType::kPartialWrite);
  EXPECT_THAT(report.error().details, HasSubstr(R"("outcome":"unknown")"));
  EXPECT_EQ(asked, 1);
}

TEST_F(WriteCoordinatorTest, TheDeadlineEndsTheAttempts) {
  for (const auto& shard : shards()) {
    primary(shard).failures.emplace(shard, Error{ErrorType::kShardUnavailable, "its primary is taking over"});
  }
  const auto report = write(250);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().type, ErrorType::kShardUnavailable);
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
