#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "raft_cluster.hpp"

namespace vectorizer::consensus {
namespace {

using cluster::ClusterMetadata;
using testing::node_command;
using testing::RaftCluster;
using testing::wait_until;
using namespace std::chrono_literals;

std::string message(const Result<void>& outcome) {
  return outcome ? "" : outcome.error().message;
}

TEST(RaftMetadataLog, ASingleMemberBeginsWithTheMetadataItIsGivenAndKeepsWhatItDecides) {
  ClusterMetadata initial;
  initial.epoch = 41;
  initial.nodes[NodeId("node-1")] = node_command("node-1", "before", 7).node;
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.begin(7, initial));
  EXPECT_EQ(cluster.log(7).current()->epoch, 41U);
  EXPECT_EQ(cluster.log(7).leader(), NodeId("node-1"));
  EXPECT_EQ(cluster.log(7).leader_raft_id(), 7U);

  const auto decided = cluster.log(7).propose(node_command("node-2", "new"));
  ASSERT_TRUE(decided) << decided.error().message;
  EXPECT_EQ((*decided)->epoch, 42U);
  EXPECT_EQ((*decided)->nodes.count(NodeId("node-1")), 1U);

  cluster.kill(7);
  cluster.start(7);
  ASSERT_TRUE(wait_until([&] { return cluster.log(7).is_leader(); }));
  ASSERT_TRUE(cluster.log(7).catch_up());
  EXPECT_EQ(cluster.log(7).current()->epoch, 42U);
  EXPECT_EQ(cluster.log(7).current()->nodes.at(NodeId("node-2")).version, "new");
}

TEST(RaftMetadataLog, AClusterBeginsOnce) {
  RaftCluster cluster;
  const auto options = cluster.options(1);
  EXPECT_TRUE(*raft_is_empty(options));
  ASSERT_TRUE(bootstrap_raft(options, {}));
  EXPECT_FALSE(*raft_is_empty(options));
  const auto position = raft_position(options);
  ASSERT_TRUE(position);
  EXPECT_EQ(position->term, 1U);
  EXPECT_EQ(position->index, 2U);  // of the snapshot that a bootstrap is
  const auto again = bootstrap_raft(options, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().type, ErrorType::kConflict);
}

TEST(RaftMetadataLog, WithoutABootstrapAMemberStaysSilent) {
  RaftCluster cluster;
  auto& log = cluster.start(1);
  // Twice the longest wait of a follower before it stands for election.
  EXPECT_FALSE(wait_until([&] { return log.is_leader() || log.term() > 0; }, 4000ms));
  const auto refused = log.propose(node_command("node-1", ""));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kNoLeader);
  EXPECT_TRUE(log.members().empty());
}

TEST(RaftMetadataLog, FollowersRefuseAndNameTheLeader) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  const auto leads = cluster.leader_id();
  for (const auto id : cluster.running()) {
    if (id == leads) continue;
    ASSERT_TRUE(wait_until([&] { return cluster.log(id).leader_raft_id() == leads; }));
    for (const auto& error :
         {cluster.log(id).propose(node_command("x", "")).error(), cluster.log(id).barrier().error()}) {
      EXPECT_EQ(error.type, ErrorType::kNoLeader);
      EXPECT_NE(error.details.find(raft_address(leads)), std::string::npos) << error.details;
    }
  }
  EXPECT_TRUE(cluster.leader().propose(node_command("x", "1")));
  EXPECT_TRUE(cluster.agree(1));
}

TEST(RaftMetadataLog, EachCallerGetsTheOutcomeOfItsOwnCommand) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  auto& log = cluster.leader();
  ASSERT_TRUE(log.propose(node_command("node-1", "", 100)));
  // Refused by the state it meets; the log goes on.
  const auto refused = log.propose(node_command("node-2", "", 100));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  const auto missing = log.propose(cluster::DropCollection{"none"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().type, ErrorType::kCollectionNotFound);
  EXPECT_EQ((*log.propose(node_command("node-2", "", 101)))->epoch, 2U);
  EXPECT_TRUE(cluster.agree(2));
}

TEST(RaftMetadataLog, ConcurrentCommandsAreAppliedOnceInOneOrder) {
  constexpr int kThreads = 8, kEach = 125;
  RaftCluster cluster(200, 50);
  ASSERT_NO_FATAL_FAILURE(cluster.form(5));
  auto& log = cluster.leader();
  std::mutex mutex;
  std::set<std::uint64_t> epochs;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 1; i <= kEach; ++i) {
        const auto decided = log.propose(node_command("node-" + std::to_string(thread), std::to_string(i)));
        ASSERT_TRUE(decided) << decided.error().message;
        ASSERT_EQ((*decided)->nodes.at(NodeId("node-" + std::to_string(thread))).version, std::to_string(i));
        const std::lock_guard lock(mutex);
        epochs.insert((*decided)->epoch);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(epochs.size(), std::size_t{kThreads * kEach});
  EXPECT_EQ(*epochs.rbegin(), std::uint64_t{kThreads * kEach});
  EXPECT_TRUE(cluster.agree(kThreads * kEach));
}

TEST(RaftMetadataLog, ObserversSeeEpochsInOrderAndMayPropose) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.begin(1));
  auto& log = cluster.log(1);
  std::vector<std::uint64_t> seen;  // only of the thread of the observers, until the end
  std::atomic<std::uint64_t> newest{0};
  std::atomic<bool> answered{false};
  log.observe([&](const auto& metadata) {
    seen.push_back(metadata->epoch);
    newest = metadata->epoch;
    if (metadata->nodes.contains(NodeId("question")) && !answered.exchange(true)) {
      EXPECT_TRUE(log.propose(node_command("answer", "")));
    }
  });
  EXPECT_EQ(newest, 0U);
  ASSERT_TRUE(log.propose(node_command("question", "")));
  EXPECT_GE(newest, 1U) << "propose returned before the observer had seen it";
  ASSERT_TRUE(wait_until([&] { return newest == 2; }));
  EXPECT_TRUE(log.current()->nodes.contains(NodeId("answer")));
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(RaftMetadataLog, AKilledFollowerReturnsWithItsDataAndCatchesUp) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(node_command("a", std::to_string(i))));
  const auto follower = cluster.a_follower();
  cluster.kill(follower);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(node_command("b", std::to_string(i))));
  cluster.start(follower);
  EXPECT_TRUE(cluster.agree(40));
}

TEST(RaftMetadataLog, AKilledLeaderIsReplacedAndNothingAcknowledgedIsLost) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  for (int round = 0; round < 4; ++round) {
    std::atomic<bool> stop{false};
    std::atomic<int> acknowledged{0};
    const auto leads = cluster.leader_id();
    std::thread writer([&] {
      for (int i = 1; !stop; ++i) {
        const auto outcome = cluster.log(leads).propose(node_command("r" + std::to_string(round), std::to_string(i)));
        if (!outcome) return;
        acknowledged = i;
      }
    });
    ASSERT_TRUE(wait_until([&] { return acknowledged > 20; }));
    cluster.log(leads).crash();  // while commands are on their way
    stop = true;
    writer.join();
    cluster.stop(leads);
    ASSERT_TRUE(wait_until([&] { return cluster.leader_id_now() != 0; }));
    ASSERT_TRUE(cluster.propose(node_command("after", std::to_string(round))));
    cluster.start(leads);
    ASSERT_TRUE(cluster.agree());
    for (const auto id : cluster.running()) {
      const auto metadata = cluster.log(id).current();
      EXPECT_GE(std::stoi(metadata->nodes.at(NodeId("r" + std::to_string(round))).version), acknowledged.load());
    }
  }
}

TEST(RaftMetadataLog, AllMembersKilledAtOnceReturnWithEverything) {
  RaftCluster cluster(20, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  for (int i = 1; i <= 50; ++i) ASSERT_TRUE(cluster.propose(node_command("a", std::to_string(i))));
  for (const auto id : {1, 2, 3}) cluster.kill(static_cast<std::uint64_t>(id));
  for (const auto id : {1, 2, 3}) cluster.start(static_cast<std::uint64_t>(id));
  ASSERT_TRUE(cluster.propose(node_command("b", "")));
  EXPECT_TRUE(cluster.agree(51));
  EXPECT_EQ(cluster.leader().current()->nodes.at(NodeId("a")).version, "50");
}

TEST(RaftMetadataLog, AWipedMemberHasNoVoteUnderItsOldIdAndJoinsUnderANewOne) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  ASSERT_TRUE(cluster.propose(node_command("a", "kept")));
  const auto leads = cluster.leader_id();
  const auto wiped = cluster.a_follower();
  const auto other = 1 + 2 + 3 - leads - wiped;
  // The write is on the leader and on the member that is wiped; the third one misses it.
  cluster.stop(other);
  ASSERT_TRUE(cluster.log(leads).propose(node_command("b", "kept too")));
  cluster.kill(wiped);
  cluster.kill(leads);
  cluster.wipe(wiped);
  cluster.start(wiped);
  cluster.start(other);
  EXPECT_FALSE(wait_until([&] { return cluster.leader_id_now() != 0; }, 5000ms)) << "an empty disk voted";
  cluster.stop(wiped);
  cluster.start(leads);
  ASSERT_TRUE(wait_until([&] { return cluster.leader_id_now() != 0; }));
  ASSERT_TRUE(cluster.agree(2));

  auto& log = cluster.leader();
  ASSERT_TRUE(log.remove_member(wiped));
  ASSERT_NO_FATAL_FAILURE(cluster.join(77));
  EXPECT_TRUE(cluster.agree(2));
  EXPECT_EQ(cluster.log(77).current()->nodes.at(NodeId("b")).version, "kept too");
}

TEST(RaftMetadataLog, ALeaderInAMinorityStepsDownAndRefuses) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  const auto old = cluster.leader_id();
  cluster.network().isolate(old);
  // What it takes before it notices is never acknowledged.
  const auto doubtful = cluster.log(old).propose(node_command("minority", ""));
  ASSERT_FALSE(doubtful);
  EXPECT_TRUE(doubtful.error().type == ErrorType::kTimeout || doubtful.error().type == ErrorType::kNoLeader)
      << doubtful.error().message;
  ASSERT_TRUE(wait_until([&] { return !cluster.log(old).is_leader(); }));
  const auto refused = cluster.log(old).propose(node_command("minority", ""));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kNoLeader);
  EXPECT_FALSE(cluster.log(old).barrier());

  ASSERT_TRUE(wait_until([&] { return cluster.leader_id_now() != 0 && cluster.leader_id_now() != old; }));
  ASSERT_TRUE(cluster.propose(node_command("majority", "")));
  cluster.network().heal(old);
  ASSERT_TRUE(wait_until([&] { return cluster.log(old).current()->nodes.contains(NodeId("majority")); }));
  EXPECT_TRUE(cluster.agree());
  EXPECT_FALSE(cluster.log(old).current()->nodes.contains(NodeId("minority")));
}

TEST(RaftMetadataLog, MembershipGoesFromOneToThreeToFiveAndBack) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(1));
  ASSERT_TRUE(cluster.propose(node_command("a", "1")));
  for (const std::uint64_t id : {2, 3, 4, 5}) ASSERT_NO_FATAL_FAILURE(cluster.join(id));
  EXPECT_EQ(cluster.leader().members().size(), 5U);
  EXPECT_TRUE(cluster.agree(1));

  // Nothing to change is no error.
  auto& log = cluster.leader();
  EXPECT_TRUE(log.add_member(3)) << message(log.add_member(3));
  EXPECT_TRUE(log.promote(3));
  EXPECT_TRUE(log.remove_member(99));
  const auto unknown = log.promote(99);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().type, ErrorType::kNodeNotFound);

  // Two at most may fail now.
  const auto leads = cluster.leader_id();
  std::vector<std::uint64_t> others;
  for (const auto id : cluster.running()) {
    if (id != leads) others.push_back(id);
  }
  cluster.kill(others[0]);
  cluster.kill(others[1]);
  ASSERT_TRUE(cluster.propose(node_command("a", "2")));
  ASSERT_TRUE(log.remove_member(others[0])) << message(log.remove_member(others[0]));
  ASSERT_TRUE(log.demote(others[2]));
  ASSERT_TRUE(log.remove_member(others[1])) << message(log.remove_member(others[1]));
  ASSERT_TRUE(log.promote(others[2]));
  const std::vector<Member> three = log.members();
  EXPECT_EQ(three.size(), 3U);
  for (const auto& member : three) EXPECT_EQ(member.role, MemberRole::kVoter);
  ASSERT_TRUE(cluster.propose(node_command("a", "3")));
  EXPECT_TRUE(cluster.agree(3));
}

TEST(RaftMetadataLog, ALeaderThatRemovesItselfStepsDown) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  const auto old = cluster.leader_id();
  ASSERT_TRUE(cluster.log(old).remove_member(old));
  ASSERT_TRUE(wait_until([&] { return !cluster.log(old).is_leader(); }));
  cluster.stop(old);
  ASSERT_TRUE(cluster.propose(node_command("a", "")));
  EXPECT_EQ(cluster.leader().members().size(), 2U);
}

TEST(RaftMetadataLog, LeadershipIsHandedOver) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  const auto old = cluster.leader_id();
  const auto next = cluster.a_follower();
  const auto handed = cluster.log(old).transfer_leadership(next);
  ASSERT_TRUE(handed) << message(handed);
  ASSERT_TRUE(wait_until([&] { return cluster.log(next).is_leader(); }));
  EXPECT_TRUE(cluster.log(next).propose(node_command("a", "")));
  const auto any = cluster.log(next).transfer_leadership(std::nullopt);
  ASSERT_TRUE(any) << message(any);
  EXPECT_TRUE(wait_until([&] { return cluster.leader_id_now() != 0 && cluster.leader_id_now() != next; }));
}

TEST(RaftMetadataLog, BarriersAreShared) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.form(3));
  auto& log = cluster.leader();
  ASSERT_TRUE(log.propose(node_command("a", "")));
  const auto before = log.status().last_index;
  constexpr int kThreads = 16, kEach = 20;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k) {
        const auto epoch = log.barrier();
        ASSERT_TRUE(epoch) << epoch.error().message;
        ASSERT_EQ(*epoch, 1U);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LT(log.status().last_index - before, std::uint64_t{kThreads * kEach / 2});
}

TEST(RaftMetadataLog, AFullDiskRefusesCommandsAndHandsTheLeadOver) {
  testing::TemporaryDirectory directory;
  RaftOptions options;
  options.raft_id = 1;
  options.directory = directory.path();
  std::atomic<std::uint64_t> free{1ULL << 40};
  options.free_bytes = [&] { return free.load(); };
  ASSERT_TRUE(bootstrap_raft(options, {}));
  testing::MemoryNetwork network;
  MetricsRegistry metrics;
  auto log = make_raft_metadata_log(options, network, metrics);
  ASSERT_TRUE(log) << log.error().message;
  ASSERT_TRUE(wait_until([&] { return (*log)->is_leader(); }));
  ASSERT_TRUE((*log)->propose(node_command("a", "")));
  free = 1;
  Result<std::shared_ptr<const ClusterMetadata>> refused = Error{};
  ASSERT_TRUE(wait_until([&] { return !(refused = (*log)->propose(node_command("b", ""))); }));
  EXPECT_EQ(refused.error().type, ErrorType::kStorageFull);
  EXPECT_TRUE((*log)->barrier()) << "reading needs no room";
  free = 1ULL << 40;
  EXPECT_TRUE(wait_until([&] { return static_cast<bool>((*log)->propose(node_command("b", ""))); }));
}

TEST(RaftMetadataLog, ADirectoryOfAnotherMemberIsRefused) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.begin(1));
  cluster.stop(1);
  std::filesystem::rename(cluster.options(1).directory, cluster.options(2).directory);
  const auto refused = cluster.try_start(2);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("belongs to the member n-1"), std::string::npos) << refused.error().message;
}

TEST(RaftMetadataLog, MetricsSayWhoLeads) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.begin(1));
  ASSERT_TRUE(cluster.log(1).propose(node_command("a", "")));
  const auto text = cluster.metrics(1).expose();
  EXPECT_NE(text.find("vectorizer_raft_is_leader 1"), std::string::npos) << text;
  EXPECT_NE(text.find("vectorizer_raft_leader_changes_total 1"), std::string::npos) << text;
  EXPECT_NE(text.find("vectorizer_raft_commit_seconds_count 1"), std::string::npos) << text;
  EXPECT_EQ(text.find("vectorizer_raft_term 0"), std::string::npos) << text;
}

}  // namespace
}  // namespace vectorizer::consensus
