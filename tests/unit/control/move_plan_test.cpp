#include "move_plan.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "repair_plan.hpp"
#include "vectorizer/cluster/balance.hpp"

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRole;
using cluster::MetadataCommand;
using cluster::MigrationRecord;
using cluster::MoveState;
using cluster::NodeStatus;
using std::chrono::milliseconds;
using std::chrono::minutes;

/// A cluster as the leader of its metadata sees it. What the plans propose is decided at once; primaries fill copies,
/// and hand over where a move wants it, when the test lets them.
class PlannedCluster {
 public:
  explicit PlannedCluster(int nodes, MoveLimits limits = {}) : repairs_(minutes(10)), moves_(limits) {
    for (int number = 1; number <= nodes; ++number) add_node(number);
    seen_.now = std::chrono::hours(1);
  }

  static NodeId node(int number) { return NodeId("node-" + std::to_string(number)); }
  static std::uint64_t raft_id(int number) { return static_cast<std::uint64_t>(number); }
  void propose(const MetadataCommand& command) {
    auto next = cluster::apply(metadata_, command);
    if (next) metadata_ = std::move(*next);
    EXPECT_TRUE(next || next.error().type == ErrorType::kConflict) << next.error().message;
  }
  void must(const MetadataCommand& command) {
    auto next = cluster::apply(metadata_, command);
    ASSERT_TRUE(next) << next.error().message;
    metadata_ = std::move(*next);
  }
  void add_node(int number) {
    must(cluster::UpsertNode{
        {node(number), "10.0.0.1", 15003, 15002, "uuid-" + std::to_string(number), raft_id(number)}, 0});
    seen_.nodes[node(number)].beat = peer::Beat{};
    seen_.nodes[node(number)].beat->raft_id = raft_id(number);
  }
  void create(std::uint32_t shards, std::uint32_t factor) {
    cluster::CreateCollection create;
    create.config.name = "docs";
    create.config.dimension = 2;
    create.config.sharding.shard_count = shards;
    create.config.sharding.replication_factor = factor;
    must(create);
    const auto created = metadata_.find("docs")->shards;
    for (const auto& shard : created) {
      const auto& now = metadata_.placements.at(shard);
      must(cluster::OpenCopy{shard, now.term, now.isr_version, now.primary});
    }
    fill();
  }
  void set_factor(std::uint32_t factor) {
    const auto config = metadata_.find("docs")->config;
    auto wanted = config;
    wanted.sharding.replication_factor = factor;
    must(cluster::AlterCollection{config, wanted});
  }
  void move(ShardId shard, int from, int to, bool lead = false) {
    must(cluster::StartMoves{{{shard, node(from), node(to), lead}}, cluster::MoveCause::kRebalance, 1});
  }
  void set_status(int number, NodeStatus to) {
    must(cluster::SetNodeStatus{node(number), raft_id(number), metadata_.nodes.at(node(number)).status, to});
  }
  void kill(int number, milliseconds silence = milliseconds(5000)) {
    seen_.nodes.at(node(number)).dead = true;
    seen_.nodes.at(node(number)).silence = silence;
  }
  void revive(int number) {
    seen_.nodes.at(node(number)).dead = false;
    seen_.nodes.at(node(number)).silence = milliseconds(0);
  }
  bool alive(int number) const { return !seen_.nodes.at(node(number)).dead; }

  /// What the leader proposes now, decided.
  std::vector<MetadataCommand> round() {
    report();
    seen_.now += milliseconds(100);
    auto commands = repairs_.next(metadata_, seen_);
    std::set<ShardId> busy;
    for (const auto& command : commands) {
      std::visit(
          [&](const auto& one) {
            if constexpr (requires { one.shard; }) busy.insert(one.shard);
          },
          command);
    }
    for (auto& command : moves_.next(metadata_, seen_, busy, ++wall_ms_)) commands.push_back(std::move(command));
    for (const auto& command : commands) propose(command);
    return commands;
  }
  /// Live primaries bring the copies that are there into the in-sync set, and drop those that are not.
  void fill() {
    for (const auto& [shard, of] : ClusterMetadata(metadata_).placements) {
      if (!of.open() || dead(seen_, of.primary)) continue;
      for (const auto& copy : of.copies) {
        const auto& now = metadata_.placements.at(shard);
        const bool here = !dead(seen_, copy.node) && metadata_.present(copy);
        if (here && copy.role != CopyRole::kInSync)
          propose(cluster::GrowIsr{shard, now.term, now.isr_version, copy.id});
        if (!here && copy.role == CopyRole::kInSync)
          propose(cluster::ShrinkIsr{shard, now.term, now.isr_version, copy.id});
      }
    }
  }
  /// As LocalNode does it.
  void hand_over() {
    for (const auto& [id, migration] : ClusterMetadata(metadata_).migrations) {
      if (migration.state != MoveState::kRunning) continue;
      const auto shard = metadata_.placements.find(migration.move.shard);
      if (shard == metadata_.placements.end() || shard->second.primary != migration.move.from) continue;
      const auto* target = shard->second.copy_on(migration.move.to);
      if (target == nullptr || target->role != CopyRole::kInSync || dead(seen_, migration.move.from)) continue;
      if (metadata_.migration_of(migration.move.shard)->id != id) continue;
      propose(cluster::Promote{migration.move.shard, shard->second.term, shard->second.isr_version, migration.move.to});
    }
  }
  void settle(int rounds = 60) {
    for (int i = 0; i < rounds; ++i) {
      round();
      fill();
      hand_over();
    }
  }
  void new_leader() {
    repairs_.reset();
    moves_.reset();
  }

  const cluster::ShardPlacement& shard(std::uint64_t id) const { return metadata_.placements.at(ShardId(id)); }
  const MigrationRecord& migration(std::uint64_t id) const { return metadata_.migrations.at(id); }
  std::size_t running() const {
    return static_cast<std::size_t>(std::count_if(metadata_.migrations.begin(), metadata_.migrations.end(),
                                                  [](const auto& item) { return !item.second.ended(); }));
  }
  std::size_t copies_beyond(std::size_t factor) const {
    std::size_t beyond = 0;
    for (const auto& [id, of] : metadata_.placements) beyond += of.copies.size() - std::min(of.copies.size(), factor);
    return beyond;
  }

  ClusterMetadata metadata_;
  Observations seen_;

 private:
  /// Primaries that live lead their terms.
  void report() {
    for (auto& [id, heard] : seen_.nodes) heard.beat->copies.clear();
    for (const auto& [shard, of] : metadata_.placements) {
      for (const auto& copy : of.copies) {
        if (!metadata_.present(copy)) continue;
        peer::CopyStatus status;
        status.shard = shard;
        status.copy = copy.id;
        status.term = of.term;
        status.last = {100, of.term};
        status.leading = copy.node == of.primary;
        seen_.nodes.at(copy.node).beat->copies.push_back(status);
      }
    }
  }

  RepairPlan repairs_;
  MovePlan moves_;
  std::int64_t wall_ms_ = 1'000'000;
};

NodeId node(int number) {
  return PlannedCluster::node(number);
}
int number_of(const NodeId& id) {
  return id.value().back() - '0';
}

/// A shard with two copies on three nodes; who has none is free.
class MovePlanTest : public ::testing::Test {
 protected:
  MovePlanTest() : cluster_(3) {
    cluster_.create(1, 2);
    lead_ = number_of(shard().primary);
    for (int number = 1; number <= 3; ++number) {
      if (shard().copy_on(node(number)) == nullptr) free_ = number;
      if (shard().copy_on(node(number)) != nullptr && number != lead_) other_ = number;
    }
  }
  const cluster::ShardPlacement& shard() const { return cluster_.shard(0); }

  PlannedCluster cluster_;
  int lead_ = 0, other_ = 0, free_ = 0;
};

TEST_F(MovePlanTest, ACopyIsMadeBeforeTheOtherOneGoes) {
  cluster_.move(ShardId(0), other_, free_);
  cluster_.round();
  ASSERT_NE(shard().copy_on(node(free_)), nullptr);
  EXPECT_EQ(shard().copy_on(node(free_))->role, CopyRole::kRecovering);
  for (int i = 0; i < 5; ++i) cluster_.round();
  EXPECT_NE(shard().copy_on(node(other_)), nullptr) << "nothing goes while its replacement is not in sync";
  cluster_.fill();
  cluster_.round();
  EXPECT_EQ(shard().copy_on(node(other_)), nullptr);
  cluster_.round();
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kDone);
}

TEST_F(MovePlanTest, APrimaryHandsOverBeforeItsCopyGoes) {
  cluster_.move(ShardId(0), lead_, free_);
  cluster_.round();
  cluster_.fill();
  for (int i = 0; i < 5; ++i) cluster_.round();
  EXPECT_EQ(shard().primary, node(lead_));
  EXPECT_EQ(shard().copies.size(), 3U);
  cluster_.hand_over();
  EXPECT_EQ(shard().primary, node(free_));
  cluster_.settle(3);
  EXPECT_EQ(shard().copy_on(node(lead_)), nullptr);
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kDone);
}

TEST_F(MovePlanTest, ATargetThatDiesEndsTheMoveAndLeavesNothingBehind) {
  cluster_.move(ShardId(0), other_, free_);
  cluster_.round();
  cluster_.kill(free_);
  cluster_.settle(4);
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kFailed);
  EXPECT_EQ(shard().copies.size(), 2U);
  EXPECT_EQ(shard().copy_on(node(free_)), nullptr);
}

TEST_F(MovePlanTest, ASourceThatDiesIsReplacedByTheMove) {
  cluster_.move(ShardId(0), lead_, free_);
  cluster_.round();
  cluster_.kill(lead_);
  cluster_.settle(6);
  EXPECT_EQ(shard().primary, node(other_));
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kDone);
  EXPECT_EQ(shard().copy_on(node(free_))->role, CopyRole::kInSync);
  EXPECT_EQ(shard().copies.size(), 2U);
}

TEST_F(MovePlanTest, ANewLeaderGoesOnWhereTheOldOneStopped) {
  cluster_.move(ShardId(0), lead_, free_);
  for (int i = 0; i < 6; ++i) {
    cluster_.new_leader();
    cluster_.round();
    cluster_.fill();
    cluster_.hand_over();
  }
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kDone);
}

TEST_F(MovePlanTest, WhatIsCancelledIsTakenBack) {
  cluster_.move(ShardId(0), other_, free_);
  cluster_.round();
  cluster_.fill();
  cluster_.must(cluster::CancelMove{1});
  cluster_.round();
  EXPECT_EQ(shard().copy_on(node(free_)), nullptr);
  EXPECT_NE(shard().copy_on(node(other_)), nullptr);
  cluster_.round();
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kCancelled);
}

TEST_F(MovePlanTest, TheSourceStaysWhileAnotherCopyIsMissing) {
  cluster_.move(ShardId(0), other_, free_);
  cluster_.round();
  cluster_.fill();
  cluster_.kill(lead_);
  cluster_.round();  // another one leads
  cluster_.fill();
  for (int i = 0; i < 5; ++i) cluster_.round();
  EXPECT_EQ(good_copies(cluster_.metadata_, shard(), cluster_.seen_), 2U);
  EXPECT_NE(shard().copy_on(node(other_)), nullptr);
}

TEST_F(MovePlanTest, TheRoleAloneMovesToACopyThatIsThere) {
  cluster_.move(ShardId(0), lead_, other_, true);
  cluster_.round();
  EXPECT_EQ(shard().copies.size(), 2U);
  cluster_.hand_over();
  cluster_.round();
  EXPECT_EQ(shard().primary, node(other_));
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kDone);
}

TEST_F(MovePlanTest, ARoleThatIsNotHandedOverIsGivenUp) {
  cluster_.move(ShardId(0), lead_, other_, true);
  cluster_.round();
  cluster_.seen_.now += MovePlan::kHandoverTime;
  cluster_.round();
  EXPECT_EQ(cluster_.migration(1).state, MoveState::kFailed);
}

TEST_F(MovePlanTest, ASmallerFactorDropsCopiesAndALargerOneMakesThem) {
  cluster_.set_factor(3);
  cluster_.settle(3);
  EXPECT_EQ(shard().in_sync_count(), 3U);
  cluster_.set_factor(1);
  cluster_.settle(4);
  EXPECT_EQ(shard().copies.size(), 1U);
  EXPECT_EQ(shard().copies[0].node, shard().primary);
}

TEST_F(MovePlanTest, ANodeThatIsAwayForLongIsReplacedAndWhatItHadGoes) {
  cluster_.kill(other_, minutes(9));
  cluster_.settle(5);
  EXPECT_EQ(shard().copy_on(node(free_)), nullptr) << "not yet";
  EXPECT_NE(shard().copy_on(node(other_)), nullptr);
  cluster_.kill(other_, minutes(11));
  cluster_.settle(5);
  EXPECT_EQ(shard().copy_on(node(free_))->role, CopyRole::kInSync);
  EXPECT_EQ(shard().copy_on(node(other_)), nullptr);
  cluster_.revive(other_);
  cluster_.settle(5);
  EXPECT_EQ(shard().copies.size(), 2U);
}

TEST_F(MovePlanTest, NothingIsMadeAnewWhereNobodyHoldsTheData) {
  cluster_.kill(lead_, minutes(11));
  cluster_.kill(other_, minutes(11));
  cluster_.settle(5);
  EXPECT_EQ(shard().copies.size(), 2U);
  EXPECT_EQ(shard().primary, NodeId());
}

TEST(MovePlanLimits, NoMoreMovesAreMadeAtOnceThanAllowed) {
  PlannedCluster cluster(3, MoveLimits{3, 2});
  cluster.create(12, 1);
  cluster.add_node(4);
  const auto moves = cluster::balancing_moves(cluster.metadata_, {});
  ASSERT_GE(moves.size(), 3U);
  cluster.must(cluster::StartMoves{moves, cluster::MoveCause::kRebalance, 1});
  cluster.round();
  EXPECT_EQ(cluster.copies_beyond(1), 2U) << "node-4 takes part in two at a time";
  cluster.settle();
  EXPECT_EQ(cluster.running(), 0U);
  EXPECT_THAT(cluster::balancing_moves(cluster.metadata_, {}), ::testing::IsEmpty());
}

TEST(MovePlanDrain, ANodeIsEmptiedThenLeaves) {
  PlannedCluster cluster(4);
  cluster.create(6, 2);
  cluster.set_status(2, NodeStatus::kDraining);
  cluster.settle(40);
  EXPECT_EQ(cluster.metadata_.nodes.at(node(2)).status, NodeStatus::kRemoved);
  for (const auto& [id, shard] : cluster.metadata_.placements) {
    EXPECT_EQ(shard.copy_on(node(2)), nullptr);
    EXPECT_EQ(shard.in_sync_count(), 2U);
  }
}

TEST(MovePlanDrain, WithoutRoomTheNodeStays) {
  PlannedCluster cluster(3);
  cluster.create(2, 3);
  cluster.set_status(2, NodeStatus::kDraining);
  cluster.settle(10);
  EXPECT_EQ(cluster.metadata_.nodes.at(node(2)).status, NodeStatus::kDraining);
  cluster.add_node(4);
  cluster.settle(20);
  EXPECT_EQ(cluster.metadata_.nodes.at(node(2)).status, NodeStatus::kRemoved);
}

TEST(MovePlanDrain, OneThatIsCancelledTakesItsMovesBack) {
  PlannedCluster cluster(4);
  cluster.create(6, 2);
  cluster.set_status(2, NodeStatus::kDraining);
  cluster.round();
  ASSERT_GT(cluster.running(), 0U);
  cluster.round();
  cluster.set_status(2, NodeStatus::kActive);
  cluster.settle(20);
  EXPECT_EQ(cluster.running(), 0U);
  EXPECT_EQ(cluster.copies_beyond(2), 0U);
  EXPECT_EQ(cluster.metadata_.nodes.at(node(2)).status, NodeStatus::kActive);
}

TEST(RebalanceTriggerTest, IsDueOnceAfterTheActiveNodesHaveChangedAndAllIsQuiet) {
  PlannedCluster cluster(3);
  cluster.create(6, 2);
  RebalanceTrigger trigger(milliseconds(1000));
  EXPECT_FALSE(trigger.due(cluster.metadata_, cluster.seen_));
  cluster.seen_.now += milliseconds(1000);
  EXPECT_TRUE(trigger.due(cluster.metadata_, cluster.seen_)) << "a new leader looks once";
  EXPECT_FALSE(trigger.due(cluster.metadata_, cluster.seen_));
  cluster.add_node(4);
  EXPECT_FALSE(trigger.due(cluster.metadata_, cluster.seen_));
  cluster.seen_.now += milliseconds(1000);
  cluster.kill(1);
  EXPECT_FALSE(trigger.due(cluster.metadata_, cluster.seen_)) << "first copies are made whole";
  cluster.revive(1);
  EXPECT_TRUE(trigger.due(cluster.metadata_, cluster.seen_));
  RebalanceTrigger never(milliseconds(0));
  cluster.seen_.now += std::chrono::hours(1);
  EXPECT_FALSE(never.due(cluster.metadata_, cluster.seen_));
}

/// Nodes die and return, moves are started and cancelled, leaders change, at any step of any move.
TEST(MovePlanRandom, NothingIsLostAndNothingIsLeftBehind) {
  const auto first_seed = std::random_device{}();
  for (std::uint64_t seed = first_seed; seed < std::uint64_t{first_seed} + 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t limit) {
      return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
    };
    PlannedCluster cluster(5, MoveLimits{3, 2});
    const auto factor = static_cast<std::uint32_t>(2 + below(2));
    cluster.create(4, factor);
    int down = 0;
    for (int step = 0; step < 150; ++step) {
      const auto what = below(12);
      if (what == 0 && down == 0) {
        down = static_cast<int>(1 + below(5));
        cluster.kill(down, below(2) == 0 ? milliseconds(5000) : milliseconds(minutes(11)));
      } else if (what <= 2 && down != 0) {
        cluster.revive(down);
        down = 0;
      } else if (what == 3) {
        cluster.new_leader();
      } else if (what == 4 && cluster.metadata_.next_migration_id > 1) {
        cluster::CancelMove cancel{1 + below(cluster.metadata_.next_migration_id - 1)};
        if (cluster.metadata_.migrations.contains(cancel.id)) cluster.propose(cancel);
      } else if (what == 5) {
        const auto moves = std::vector<cluster::PlannedMove>{{ShardId(below(4)), node(static_cast<int>(1 + below(5))),
                                                              node(static_cast<int>(1 + below(5))), below(4) == 0}};
        cluster.propose(cluster::StartMoves{moves, cluster::MoveCause::kRebalance, 1});
      } else if (what <= 8) {
        cluster.round();
      } else if (what == 9) {
        cluster.hand_over();
      } else if (down == 0 || below(3) == 0) {
        cluster.fill();
      }
      for (const auto& [id, shard] : cluster.metadata_.placements) ASSERT_GE(shard.in_sync_count(), 1U);
    }
    if (down != 0) cluster.revive(down);
    cluster.settle();
    EXPECT_EQ(cluster.running(), 0U);
    for (const auto& [id, shard] : cluster.metadata_.placements) {
      EXPECT_EQ(shard.copies.size(), factor);
      EXPECT_EQ(shard.in_sync_count(), factor);
      EXPECT_TRUE(shard.open());
    }
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace vectorizer::control
