#include "repair_plan.hpp"

#include <gmock/gmock.h>

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRole;
using cluster::MetadataCommand;
using cluster::NodeStatus;
using std::chrono::milliseconds;
using ::testing::IsEmpty;

/// Three nodes with one shard of three copies, led by node-1, as the leader of the metadata sees them.
class RepairPlanTest : public ::testing::Test {
 protected:
  RepairPlanTest() {
    for (int number = 1; number <= 3; ++number) {
      cluster::NodeRecord node;
      node.id = name(number);
      node.uuid = "uuid-" + std::to_string(number);
      node.raft_id = static_cast<std::uint64_t>(number);
      metadata_.nodes[node.id] = node;
      peer::Beat beat;
      beat.node = node.id;
      beat.raft_id = node.raft_id;
      seen_.nodes[node.id].beat = beat;
    }
    cluster::CollectionRecord docs;
    docs.config.name = "docs";
    docs.config.dimension = 2;
    docs.config.sharding.replication_factor = 3;
    docs.shards = {kShard};
    metadata_.collections["docs"] = docs;
    cluster::ShardPlacement shard;
    shard.shard = kShard;
    shard.collection = "docs";
    shard.term = 4;
    shard.isr_version = 9;
    shard.primary = name(1);
    metadata_.placements[kShard] = shard;
    for (int number = 1; number <= 3; ++number) add_copy(number, CopyRole::kInSync);
    status(1).leading = true;
    seen_.now = std::chrono::hours(1);
  }

  static NodeId name(int number) { return NodeId("node-" + std::to_string(number)); }
  cluster::ShardPlacement& shard() { return metadata_.placements.at(kShard); }
  peer::CopyStatus& status(int number) { return seen_.nodes.at(name(number)).beat->copies.front(); }
  cluster::NodeRecord& node(int number) { return metadata_.nodes.at(name(number)); }
  void kill(int number) { seen_.nodes.at(name(number)).dead = true; }
  void add_copy(int number, CopyRole role) {
    const auto id = 10 + static_cast<std::uint64_t>(number);
    shard().copies.push_back({id, name(number), role, "uuid-" + std::to_string(number)});
    peer::CopyStatus copy;
    copy.shard = kShard;
    copy.copy = id;
    copy.term = 4;
    copy.last = {100, 4};
    copy.serving = true;
    seen_.nodes.at(name(number)).beat->copies = {copy};
  }
  std::vector<MetadataCommand> next() { return plan_.next(metadata_, seen_); }
  template <typename Command>
  std::optional<Command> only() {
    const auto commands = next();
    std::optional<Command> found;
    for (const auto& command : commands) {
      if (const auto* wanted = std::get_if<Command>(&command)) {
        EXPECT_FALSE(found) << "proposed twice";
        found = *wanted;
      }
    }
    return found;
  }

  inline static const ShardId kShard{7};
  ClusterMetadata metadata_;
  Observations seen_;
  RepairPlan plan_;
};

TEST_F(RepairPlanTest, LeavesAHealthyClusterAlone) {
  EXPECT_THAT(next(), IsEmpty());
}

TEST_F(RepairPlanTest, ADeadPrimaryIsReplacedByTheInSyncCopyThatHoldsMost) {
  kill(1);
  status(2).last = {100, 4};
  status(3).last = {101, 4};
  const auto promote = only<cluster::Promote>();
  ASSERT_TRUE(promote);
  EXPECT_EQ(promote->new_primary, name(3));
  EXPECT_EQ(promote->term, 4U);
  EXPECT_EQ(promote->isr_version, 9U);
}

TEST_F(RepairPlanTest, ALaterTermHoldsMoreThanALongerLog) {
  kill(1);
  status(2).last = {90, 5};
  status(3).last = {101, 4};
  EXPECT_EQ(only<cluster::Promote>()->new_primary, name(2));
}

TEST_F(RepairPlanTest, ACopyThatIsNotInSyncIsNeverPromoted) {
  kill(1);
  for (auto& copy : shard().copies) {
    if (copy.node != name(1)) copy.role = CopyRole::kStale;
  }
  status(2).last = {900, 4};
  const auto promote = only<cluster::Promote>();
  ASSERT_TRUE(promote);
  EXPECT_EQ(promote->new_primary, NodeId()) << "nobody leads, and the data of the dead node is waited for";
  shard().primary = NodeId();
  EXPECT_FALSE(only<cluster::Promote>()) << "once is enough";
}

TEST_F(RepairPlanTest, WaitsForInSyncMembersThatMayStillReport) {
  kill(1);
  seen_.nodes.at(name(2)).beat.reset();
  EXPECT_FALSE(only<cluster::Promote>());
  kill(2);
  EXPECT_EQ(only<cluster::Promote>()->new_primary, name(3));
  seen_.settled = false;
  EXPECT_FALSE(only<cluster::Promote>());
}

TEST_F(RepairPlanTest, APrimaryThatDoesNotTakeUpItsTermGetsANewOneAfterAMoment) {
  status(1).leading = false;  // it restarted
  EXPECT_FALSE(only<cluster::Promote>());
  seen_.now += milliseconds(1400);
  EXPECT_FALSE(only<cluster::Promote>());
  seen_.now += milliseconds(200);
  EXPECT_EQ(only<cluster::Promote>()->new_primary, name(1)) << "among equals the present one";
}

TEST_F(RepairPlanTest, ANewTermStartsTheMomentAgain) {
  status(1).leading = false;
  EXPECT_FALSE(only<cluster::Promote>());
  seen_.now += milliseconds(1600);
  shard().term = 5;
  EXPECT_FALSE(only<cluster::Promote>());
}

TEST_F(RepairPlanTest, ADamagedPrimaryIsReplacedThenDroppedAndMadeAgain) {
  status(1).failed = true;
  const auto promote = only<cluster::Promote>();
  ASSERT_TRUE(promote);
  EXPECT_NE(promote->new_primary, name(1));
  shard().primary = promote->new_primary;
  shard().term = 5;
  const auto drop = only<cluster::DropCopy>();
  ASSERT_TRUE(drop);
  EXPECT_EQ(drop->copy, 11U);
  std::erase_if(shard().copies, [](const auto& copy) { return copy.id == 11; });
  const auto allocate = only<cluster::AllocateCopy>();
  ASSERT_TRUE(allocate);
  EXPECT_EQ(allocate->node, name(1));
}

TEST_F(RepairPlanTest, TheLastGoodCopyIsNeverDropped) {
  shard().primary = NodeId();
  for (int number = 1; number <= 3; ++number) status(number).failed = true;
  EXPECT_THAT(next(), IsEmpty());
}

TEST_F(RepairPlanTest, TheCopyOfAWipedDiskIsDroppedWhileAnotherHoldsTheData) {
  node(2).uuid = "another";
  EXPECT_EQ(only<cluster::DropCopy>()->copy, 12U);
  kill(3);
  node(1).uuid = "another too";
  EXPECT_FALSE(only<cluster::DropCopy>()) << "the one that holds the data is dead; nothing may be given up";
}

TEST_F(RepairPlanTest, AMissingCopyGoesToTheActiveNodeWithTheFewest) {
  shard().copies.pop_back();
  EXPECT_EQ(only<cluster::AllocateCopy>()->node, name(3));
  node(3).status = NodeStatus::kDraining;
  EXPECT_FALSE(only<cluster::AllocateCopy>());
}

TEST_F(RepairPlanTest, ADeadNodeIsUnhealthyUntilItBeatsAgain) {
  kill(2);
  auto status = only<cluster::SetNodeStatus>();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->to, NodeStatus::kUnhealthy);
  node(2).status = NodeStatus::kUnhealthy;
  EXPECT_FALSE(only<cluster::SetNodeStatus>());
  seen_.nodes.at(name(2)).dead = false;
  EXPECT_EQ(only<cluster::SetNodeStatus>()->to, NodeStatus::kActive);
}

TEST_F(RepairPlanTest, AShardThatNeverOpenedMovesFromADeadNode) {
  for (auto& copy : shard().copies) copy.role = CopyRole::kInit;
  EXPECT_THAT(next(), IsEmpty());
  kill(1);
  const auto promote = only<cluster::Promote>();
  ASSERT_TRUE(promote);
  EXPECT_NE(promote->new_primary, name(1));
}

}  // namespace
}  // namespace vectorizer::control
