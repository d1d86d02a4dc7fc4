#include "raft_node.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "broken_database.hpp"
#include "metadata_machine.hpp"
#include "raft_cluster.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::consensus {
namespace {

using testing::BrokenDatabase;
using testing::node_command;
using testing::RaftCluster;
using testing::wait_until;
using namespace std::chrono_literals;

std::string encoded(const std::string& version) {
  return cluster::encode_command(node_command("a", version));
}

/// One member whose store can be broken.
class LoneNode {
 public:
  explicit LoneNode(StateMachine& machine) {
    options_.raft_id = 1;
    options_.directory = directory_.path();
    EXPECT_TRUE(bootstrap_raft(options_, {}));
    auto database = open_raft_database(options_.directory / "store");
    auto store = RaftStore::over(std::make_unique<BrokenDatabase>(std::move(*database), broken), 1);
    auto started = RaftNode::start(options_, std::move(*store), machine, network_,
                                   {[](const RaftStatus&) {}, [this](const Error&) { ++failures; }});
    EXPECT_TRUE(started) << started.error().message;
    node = std::move(*started);
    EXPECT_TRUE(wait_until([&] { return node->status().is_leader; }));
  }

  std::atomic<bool> broken{false};
  std::atomic<int> failures{0};

 private:
  testing::TemporaryDirectory directory_;
  RaftOptions options_;
  testing::MemoryNetwork network_;

 public:
  std::unique_ptr<RaftNode> node;
};

TEST(RaftNode, AStoreThatFailsStopsTheMemberAndLeavesTheOutcomeOpen) {
  MetadataMachine machine([](const auto&) {});
  LoneNode lone(machine);
  ASSERT_TRUE(lone.node->submit(encoded("1")).get());
  lone.broken = true;
  const auto doubtful = lone.node->submit(encoded("2")).get();
  ASSERT_FALSE(doubtful);
  EXPECT_EQ(doubtful.error().type, ErrorType::kTimeout);
  EXPECT_NE(doubtful.error().details.find("unknown"), std::string::npos) << doubtful.error().details;
  EXPECT_EQ(machine.current()->nodes.at(NodeId("a")).version, "1") << "applied, but on no disk";

  ASSERT_TRUE(lone.node->failure());
  EXPECT_TRUE(wait_until([&] { return lone.failures == 1; }));  // told after the caller
  EXPECT_TRUE(wait_until([&] { return !lone.node->status().is_leader; }));
  lone.broken = false;
  EXPECT_EQ(lone.node->submit(encoded("3")).get().error().type, ErrorType::kShuttingDown);
  EXPECT_EQ(lone.node->barrier().get().error().type, ErrorType::kShuttingDown);
  EXPECT_EQ(lone.node->add(2).get().error().type, ErrorType::kShuttingDown);
}

TEST(RaftNode, ACommandThatIsNotUnderstoodStopsTheMember) {
  MetadataMachine machine([](const auto&) {});
  LoneNode lone(machine);
  EXPECT_FALSE(lone.node->submit("not a command").get());
  ASSERT_TRUE(lone.node->failure());
  EXPECT_TRUE(wait_until([&] { return lone.failures == 1; }));
}

TEST(RaftNode, RequestsUnderWayWhenItCloses) {
  MetadataMachine machine([](const auto&) {});
  LoneNode lone(machine);
  std::vector<std::future<Applied>> submitted;
  for (int i = 0; i < 500; ++i) submitted.push_back(lone.node->submit(encoded(std::to_string(i))));
  std::vector<std::future<Result<void>>> barriers;
  for (int i = 0; i < 50; ++i) barriers.push_back(lone.node->barrier());
  lone.node.reset();
  for (auto& future : submitted) ASSERT_EQ(future.wait_for(0s), std::future_status::ready);
  for (auto& future : barriers) ASSERT_EQ(future.wait_for(0s), std::future_status::ready);
}

TEST(RaftNode, TwoChangesOfTheMembersDoNotOverlap) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(2));
  auto& log = cluster.leader();
  // The third one never answers, so its promotion stays under way.
  ASSERT_TRUE(log.add_member(3));
  std::thread promotion([&] {
    Result<void> outcome;
    do outcome = log.promote(3);  // the other change may be the first
    while (!outcome && outcome.error().type == ErrorType::kConflict);
    EXPECT_FALSE(outcome);
  });
  Result<void> refused;
  EXPECT_TRUE(wait_until([&] { return !(refused = log.add_member(4)); }));
  const auto type = refused ? ErrorType::kInternal : refused.error().type;
  EXPECT_EQ(type, ErrorType::kConflict);
  EXPECT_TRUE(log.propose(node_command("a", "")));
  promotion.join();
  EXPECT_TRUE(log.remove_member(3));
}

// libraft 0.22.1 crashes when a snapshot arrives while one of its own is being written. Small thresholds and a member
// that keeps falling behind make that happen many times.
TEST(RaftNode, SnapshotsArriveWhileSnapshotsAreWritten) {
  RaftCluster cluster(10, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  std::atomic<std::uint64_t> decided{0};
  for (int writer = 0; writer < 8; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; !stop; ++i) {
        const auto leads = cluster.leader_id_now();
        if (leads == 0) continue;
        if (cluster.log(leads).propose(node_command("w" + std::to_string(writer), std::to_string(i)))) ++decided;
      }
    });
  }
  std::uint64_t held = 0;
  for (int round = 0; round < 15 && !HasFailure(); ++round) {
    const auto lagging = cluster.a_follower();
    cluster.network().isolate(lagging);
    const auto before = decided.load();
    EXPECT_TRUE(wait_until([&] { return decided > before + 40; }));
    cluster.network().heal(lagging);
    const auto epoch = cluster.leader().current()->epoch;
    EXPECT_TRUE(wait_until([&] { return cluster.log(lagging).current()->epoch >= epoch; })) << "round " << round;
    held = std::max(held, cluster.log(lagging).messages_held());
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  EXPECT_TRUE(cluster.agree(decided));
  RecordProperty("snapshots_held", static_cast<int>(held));
}

}  // namespace
}  // namespace vectorizer::consensus
