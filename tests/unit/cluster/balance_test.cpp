#include "vectorizer/cluster/balance.hpp"

#include <gmock/gmock.h>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {
namespace {

using ::testing::IsEmpty;

class BalanceTest : public ::testing::Test {
 protected:
  static NodeId node(int number) { return NodeId("node-" + std::to_string(number)); }
  void propose(const MetadataCommand& command) {
    auto next = cluster::apply(metadata_, command);
    ASSERT_TRUE(next) << next.error().message;
    metadata_ = std::move(*next);
  }
  void add_node(int number) {
    const auto raft_id = static_cast<std::uint64_t>(number);
    propose(UpsertNode{{node(number), "10.0.0.1", 15003, 15002, "uuid-" + std::to_string(number), raft_id}, 0});
  }
  void create(const std::string& name, std::uint32_t shards, std::uint32_t factor) {
    CreateCollection create;
    create.config.name = name;
    create.config.dimension = 2;
    create.config.sharding.shard_count = shards;
    create.config.sharding.replication_factor = factor;
    propose(create);
  }
  void set_status(int number, NodeStatus to) {
    propose(
        SetNodeStatus{node(number), static_cast<std::uint64_t>(number), metadata_.nodes.at(node(number)).status, to});
  }
  std::vector<PlannedMove> plan() const { return balancing_moves(metadata_, options_); }
  /// Starts what is planned, and looks at the cluster as it will be then.
  ClusterMetadata balanced() {
    if (const auto moves = plan(); !moves.empty()) propose(StartMoves{moves, MoveCause::kRebalance, 0});
    return after_moves(metadata_);
  }
  static std::map<NodeId, std::size_t> copies(const ClusterMetadata& metadata) {
    std::map<NodeId, std::size_t> counts;
    for (const auto& [shard, placement] : metadata.placements) {
      for (const auto& copy : placement.copies) ++counts[copy.node];
    }
    return counts;
  }
  static std::map<NodeId, std::size_t> primaries(const ClusterMetadata& metadata) {
    std::map<NodeId, std::size_t> counts;
    for (const auto& [shard, placement] : metadata.placements) ++counts[placement.primary];
    return counts;
  }

  ClusterMetadata metadata_;
  BalanceOptions options_;
};

TEST_F(BalanceTest, ANewNodeTakesItsShareAndTheSecondPlanIsEmpty) {
  for (int number = 1; number <= 3; ++number) add_node(number);
  create("docs", 12, 2);
  EXPECT_THAT(plan(), IsEmpty());
  add_node(4);
  std::size_t moved = 0;
  for (const auto& move : plan()) moved += move.lead ? 0 : 1;
  EXPECT_EQ(moved, 6U) << "24 copies on 4 nodes: the new one takes 6 and nothing else moves";
  const auto after = balanced();
  for (int number = 1; number <= 4; ++number) {
    EXPECT_EQ(copies(after)[node(number)], 6U);
    EXPECT_EQ(primaries(after)[node(number)], 3U);
  }
  EXPECT_THAT(plan(), IsEmpty()) << "what moves already is not moved again";
}

TEST_F(BalanceTest, SmallCollectionsAreSpreadOverTheNodesTogether) {
  add_node(1);
  for (int i = 0; i < 8; ++i) create("single-" + std::to_string(i), 1, 1);
  add_node(2);
  const auto after = balanced();
  EXPECT_EQ(copies(after)[node(2)], 4U);
  EXPECT_THAT(plan(), IsEmpty());
}

TEST_F(BalanceTest, LargeShardsCountByTheirSize) {
  add_node(1);
  for (int i = 0; i < 4; ++i) create("each-" + std::to_string(i), 1, 1);
  add_node(2);
  constexpr std::uint64_t kGigabyte = 1ULL << 30;
  options_.bytes = {
      {ShardId(0), 3 * kGigabyte}, {ShardId(1), kGigabyte}, {ShardId(2), kGigabyte}, {ShardId(3), kGigabyte}};
  const auto after = balanced();
  std::map<NodeId, std::uint64_t> bytes;
  for (const auto& [shard, placement] : after.placements) bytes[placement.copies[0].node] += options_.bytes[shard];
  EXPECT_EQ(bytes[node(1)], bytes[node(2)]);
  EXPECT_THAT(plan(), IsEmpty());
}

TEST_F(BalanceTest, DifferencesBelowTheThresholdMoveNothingUnlessForced) {
  add_node(1);
  add_node(2);
  constexpr std::uint64_t kGigabyte = 1ULL << 30;
  for (int i = 0; i < 12; ++i) {
    create("each-" + std::to_string(i), 1, 1);
    auto& placement = metadata_.placements.rbegin()->second;
    placement.primary = placement.copies[0].node = node(i < 5 ? 2 : 1);
    placement.copies[0].node_uuid = i < 5 ? "uuid-2" : "uuid-1";
    options_.bytes[placement.shard] = i < 10 ? kGigabyte : kGigabyte / 4;
  }
  EXPECT_THAT(plan(), IsEmpty()) << "5.5 and 5 GiB";
  options_.force = true;
  EXPECT_EQ(plan().size(), 1U);
}

TEST_F(BalanceTest, ADrainTakesEverythingFromTheNodeAndMovesNothingElse) {
  for (int number = 1; number <= 4; ++number) add_node(number);
  create("docs", 8, 2);
  set_status(2, NodeStatus::kDraining);
  const auto moves = draining_moves(metadata_, options_);
  EXPECT_EQ(moves.size(), copies(metadata_)[node(2)]);
  for (const auto& move : moves) EXPECT_EQ(move.from, node(2));
  propose(StartMoves{moves, MoveCause::kDrain, 0});
  EXPECT_EQ(copies(after_moves(metadata_)).count(node(2)), 0U);
  EXPECT_THAT(draining_moves(metadata_, options_), IsEmpty());
}

TEST_F(BalanceTest, ADrainThatFindsNoPlaceSaysWhy) {
  for (int number = 1; number <= 3; ++number) add_node(number);
  create("docs", 1, 3);
  set_status(2, NodeStatus::kDraining);
  EXPECT_THAT(draining_moves(metadata_, options_), IsEmpty());
  const auto shard = metadata_.placements.begin()->second;  // a copy: what is proposed replaces the metadata
  EXPECT_NE(drain_obstacle(metadata_, shard, node(2)).find("every active node"), std::string::npos);
  add_node(4);
  EXPECT_EQ(drain_obstacle(metadata_, shard, node(2)), "");
}

TEST_F(BalanceTest, PrimariesThatARestartMovedGoBack) {
  for (int number = 1; number <= 2; ++number) add_node(number);
  create("docs", 4, 2);
  for (auto& [shard, placement] : metadata_.placements) {
    for (auto& copy : placement.copies) copy.role = CopyRole::kInSync;
    placement.primary = node(1);
  }
  const auto moves = plan();
  EXPECT_EQ(moves.size(), 2U);
  for (const auto& move : moves) EXPECT_TRUE(move.lead);
  EXPECT_EQ(primaries(balanced())[node(2)], 2U);
}

}  // namespace
}  // namespace vectorizer::cluster
