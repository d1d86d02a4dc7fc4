#include "write_coordinator.hpp"

#include <gmock/gmock.h>

#include "fake_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using ::testing::HasSubstr;

/// The same cluster, but with an id: its nodes may take over from each other.
class WriteCoordinatorTest : public ClusterTest {
 protected:
  WriteCoordinatorTest() {
    EXPECT_TRUE(metadata.propose(cluster::InitCluster{"c1", 2}));
    for (const char* name : {"node-1", "node-2"}) {
      cluster::NodeRecord node;
      node.id = NodeId(name);
      node.uuid = std::string("uuid-") + name;
      node.raft_id = static_cast<std::uint64_t>(name[5]);
      EXPECT_TRUE(metadata.propose(cluster::UpsertNode{node}));
      peers.nodes[node.id];
    }
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
                            Deadline(Deadline::Clock::now(), timeout_ms))
        .write(std::move(ops));
  }

  Lane lane_{"fanout", 4, 64};
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

TEST_F(WriteCoordinatorTest, WhatMayHaveBeenDoneIsNeverSentAgain) {
  const auto shard = shards().front();
  int writes = 0;
  auto& node = primary(shard);
  node.on_write = [&] { ++writes; };
  node.failures.emplace(shard, Error{ErrorType::kShardUnavailable, "the primary went away"}.with("outcome", "unknown"));
  const auto report = write(2000);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().type, ErrorType::kPartialWrite);
  EXPECT_THAT(report.error().details, HasSubstr(R"("outcome":"unknown")"));
  EXPECT_EQ(writes, 1);
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
