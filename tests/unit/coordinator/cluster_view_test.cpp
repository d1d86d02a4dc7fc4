#include "vectorizer/coordinator/cluster_view.hpp"

#include <chrono>

#include "member_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using Clock = std::chrono::steady_clock;

class ClusterViewTest : public MemberClusterTest {
 protected:
  ClusterView& view() {
    if (!view_) {
      ClusterViewOptions options{node(1), "9.9.9", [this] { return problems; },
                                 [] { return std::vector<std::string>{"unsafe"}; }, std::nullopt};
      MemberPorts ports;
      ports.contacts = [this] { return contacts; };
      ports.missing = [this] { return missing; };
      ports.ask = [this](const NodeId& id) { return ask(id); };
      ports.greet = [this](const std::string&, std::uint16_t) -> Result<peer::Hello> { return answer; };
      ports.cluster_id = [] { return std::string("cluster-a"); };
      ports.term = [] { return std::uint64_t{7}; };
      ports.servers_hash = [] { return std::uint64_t{0xaa}; };
      options.members = ports;
      view_ = make_cluster_view(std::move(options), metadata, peers);
    }
    return *view_;
  }
  Result<peer::Hello> ask(const NodeId& id) {
    if (const auto failing = silent.find(id); failing != silent.end()) return failing->second;
    peer::Hello hello;
    hello.node = id;
    hello.uptime_seconds = 12;
    hello.metadata_epoch = metadata.current()->epoch;
    const auto digest = digests.find(id);  // nodes are asked at the same time
    hello.metadata_digest = "digest of " + std::to_string(digest == digests.end() ? 0 : digest->second);
    return hello;
  }
  NodeView listed(const NodeId& id) {
    for (auto& each : view().nodes()) {
      if (each.id == id) return each;
    }
    ADD_FAILURE() << id.value() << " is not listed";
    return {};
  }

  std::map<NodeId, MemberPorts::Contact> contacts;
  std::vector<MemberPorts::Missing> missing;
  std::map<NodeId, Error> silent;
  std::map<NodeId, int> digests;
  std::vector<std::string> problems;
  peer::Hello answer;  // of whoever is at the address of a node that is added

 private:
  std::unique_ptr<ClusterView> view_;
};

TEST_F(ClusterViewTest, NodesHaveTheirStatusFromTheMetadataAndTheVectorsOfTheShardsThatTheyLead) {
  start(3);
  create(6, 2);
  fill(10);
  contacts[node(2)] = {1700000000123, 0xbb};
  set_unhealthy(3);
  const auto here = listed(node(1)), other = listed(node(2)), away = listed(node(3));
  EXPECT_EQ(here.status, "active");
  EXPECT_EQ(here.role, "leader");
  EXPECT_EQ(here.version, "9.9.9");
  EXPECT_GT(here.last_seen_ms.value_or(0), 1700000000123);
  EXPECT_EQ(here.shard_count, 2U);
  EXPECT_EQ(here.vector_count, 20U);
  EXPECT_EQ(here.shards.size(), 4U);
  EXPECT_EQ(other.role, "follower");
  EXPECT_EQ(other.version, "1.2.3");
  EXPECT_EQ(other.last_seen_ms, 1700000000123);
  EXPECT_EQ(other.servers_hash, 0xbbU);
  EXPECT_EQ(away.status, "unhealthy");
  EXPECT_EQ(away.vector_count, 20U) << "as the copies elsewhere have it";
  EXPECT_EQ(away.last_seen_ms, std::nullopt) << "nobody has heard of it";
}

TEST_F(ClusterViewTest, ConfiguredServersThatHaveNotJoinedAreListedAsJoining) {
  start(2);
  missing = {{"node-2", "10.0.0.2:15003"}, {"10.0.0.2:15003", "10.0.0.2:15003"}, {"node-3", "10.0.0.3:15004"}};
  const auto nodes = view().nodes();
  ASSERT_EQ(nodes.size(), 3U) << "a member that does not answer is none of them";
  EXPECT_EQ(nodes[2].id, node(3));
  EXPECT_EQ(nodes[2].status, "joining");
  EXPECT_EQ(nodes[2].address, "10.0.0.3");
  EXPECT_EQ(nodes[2].grpc_port, 15004);
  EXPECT_EQ(nodes[2].last_seen_ms, std::nullopt);
}

TEST_F(ClusterViewTest, OneNodeShowsItsUptimeIfItAnswers) {
  start(2);
  EXPECT_EQ(view().node(node(2))->uptime_seconds, 12);
  EXPECT_GE(view().node(node(1))->uptime_seconds.value_or(-1), 0);
  silent.emplace(node(2), Error{ErrorType::kNodeUnreachable, "no"});
  EXPECT_EQ(view().node(node(2))->uptime_seconds, std::nullopt);
  EXPECT_EQ(view().node(node(9)).error().type, ErrorType::kNodeNotFound);
}

TEST_F(ClusterViewTest, SyncNamesWhoDoesNotAnswer) {
  start(3);
  silent.emplace(node(3), Error{ErrorType::kNodeUnreachable, "it is off"});
  const auto nodes = view().sync();
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].version, metadata.current()->epoch);
  EXPECT_EQ(nodes[0].digest, nodes[1].digest);
  EXPECT_EQ(nodes[2].node, node(3));
  EXPECT_EQ(nodes[2].version, std::nullopt);
  EXPECT_EQ(nodes[2].problem, "it is off");
}

TEST_F(ClusterViewTest, StatusIsGreenYellowOrRedAsTheShardsAre) {
  start(3);
  create(6, 2);
  fill(1);
  auto status = view().status();
  EXPECT_EQ(status.light, "green") << ::testing::PrintToString(status.notes);
  EXPECT_EQ(status.shards.total, 6U);
  EXPECT_EQ(status.term, 7U);
  EXPECT_EQ(status.nodes, 3U);

  const auto& first = placement(0);
  const auto replica = first.copies[0].node == first.primary ? first.copies[1].id : first.copies[0].id;
  propose(cluster::ShrinkIsr{ShardId(0), first.term, first.isr_version, replica});
  status = view().status();
  EXPECT_EQ(status.light, "yellow");
  EXPECT_EQ(status.shards.under_replicated, 1U);

  const auto& again = placement(0);
  propose(cluster::Promote{ShardId(0), again.term, again.isr_version, NodeId()});
  status = view().status();
  EXPECT_EQ(status.light, "red");
  EXPECT_EQ(status.shards.without_primary, 1U);
}

TEST_F(ClusterViewTest, AClusterWithoutALeaderIsRed) {
  start(3);
  EXPECT_EQ(view().status().light, "green");
  metadata.lead = NodeId();
  EXPECT_EQ(view().status().light, "red");
}

TEST_F(ClusterViewTest, APrimaryThatHangsIsNoticedBeforeItIsDeclaredDead) {
  start(3);
  create(6, 2);
  fill(1);
  peer(node(2)).hang(true);
  const auto begin = Clock::now();
  const auto status = view().status();
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
  peer(node(2)).hang(false);
  EXPECT_EQ(status.light, "red");
  EXPECT_EQ(status.notes, (std::vector<std::string>{"node 'node-2' leads shards and does not answer"}));
}

TEST_F(ClusterViewTest, ANodeWithAnotherListOfServersIsNamed) {
  start(3);
  contacts[node(1)] = {1, 0xaa};
  contacts[node(2)] = {1, 0xaa};
  contacts[node(3)] = {1, 0xcc};
  EXPECT_EQ(view().status().other_lists, std::vector<NodeId>{node(3)});
}

TEST_F(ClusterViewTest, TwoNodesAreToldThatTheyHaveNoFaultTolerance) {
  start(2);
  EXPECT_NE(view().note().find("two nodes have no fault tolerance"), std::string::npos);
  EXPECT_EQ(view().status().notes, std::vector<std::string>{view().note()});
  propose(cluster::UpsertNode{record(3), 0});
  EXPECT_EQ(view().note(), "");
}

TEST_F(ClusterViewTest, CopiesThatAreNotInSyncHereAreNotReady) {
  start(3);
  create(6, 3);
  EXPECT_TRUE(view().not_ready().empty());
  for (std::uint64_t shard = 0; shard < 6; ++shard) {
    const auto& each = placement(shard);
    if (each.primary == node(1)) continue;
    propose(cluster::ShrinkIsr{each.shard, each.term, each.isr_version, each.copy_on(node(1))->id});
    ASSERT_EQ(view().not_ready().size(), 1U);
    EXPECT_EQ(view().not_ready()[0],
              "shard " + std::to_string(shard) + " of collection 'docs': the copy of this node is stale");
    break;
  }
}

TEST_F(ClusterViewTest, DigestsSayWhetherCopiesAreEqual) {
  start(3);
  create(1, 3);
  fill(3);
  for (int number = 1; number <= 3; ++number) {
    peer(node(number)).on_digest = [] { return peer::ShardDigest{3, 3, 1, 2}; };
  }
  auto detail = view().shard(ShardId(0), true);
  ASSERT_TRUE(detail);
  ASSERT_EQ(detail->copies.size(), 3U);
  EXPECT_EQ(detail->copies[1].digest, "00000000000000010000000000000002");
  EXPECT_EQ(detail->copies_equal, true);

  peer(node(3)).on_digest = [] { return peer::ShardDigest{3, 3, 1, 3}; };
  EXPECT_EQ(view().shard(ShardId(0), true)->copies_equal, false);

  peer(node(3)).on_digest = [] { return peer::ShardDigest{4, 3, 1, 2}; };
  EXPECT_EQ(view().shard(ShardId(0), true)->copies_equal, true) << "an entry without changes";

  peer(node(3)).on_digest = []() -> Result<peer::ShardDigest> { return Error{ErrorType::kTimeout, "too large"}; };
  detail = view().shard(ShardId(0), true);
  EXPECT_EQ(detail->copies_equal, std::nullopt);
  EXPECT_EQ(view().shard(ShardId(9), true).error().type, ErrorType::kNotFound);
}

TEST_F(ClusterViewTest, CopiesAreAskedAgainUntilTheyAreAtTheSameSequence) {
  start(2);
  create(1, 2);
  fill(3);
  peer(node(1)).on_digest = [] { return peer::ShardDigest{5, 3, 1, 2}; };
  std::atomic<int> asked = 0;
  peer(node(2)).on_digest = [&] { return ++asked < 3 ? peer::ShardDigest{4, 3, 8, 8} : peer::ShardDigest{5, 3, 1, 2}; };
  EXPECT_EQ(view().shard(ShardId(0), true)->copies_equal, true);
  EXPECT_EQ(asked, 3);
}

TEST_F(ClusterViewTest, ARebalanceStartsWhatIsPlannedOnce) {
  start(3);
  create(6, 2);
  EXPECT_TRUE(view().rebalance(false, false)->empty());
  propose(cluster::UpsertNode{record(4), 0});
  peers.nodes[node(4)];
  const auto planned = view().rebalance(false, true);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->at(0).state, "planned");
  EXPECT_TRUE(metadata.current()->migrations.empty()) << "a dry run starts nothing";
  const auto started = view().rebalance(false, false);
  ASSERT_TRUE(started);
  EXPECT_EQ(started->size(), planned->size());
  EXPECT_EQ(started->at(0).id, 1U);
  EXPECT_EQ(metadata.current()->migrations.size(), started->size());
  EXPECT_TRUE(view().rebalance(false, false)->empty()) << "what moves is not moved again";
}

TEST_F(ClusterViewTest, AMigrationShowsHowFarItIs) {
  start(3);
  create(1, 2);
  fill(10);
  const auto before = placement(0);
  NodeId free;
  for (int number = 1; number <= 3; ++number) {
    if (before.copy_on(node(number)) == nullptr) free = node(number);
  }
  propose(cluster::StartMoves{{{ShardId(0), before.primary, free, false}}, cluster::MoveCause::kRebalance, 77});
  EXPECT_EQ(view().migrations().at(0).state, "waiting");
  propose(cluster::AllocateCopy{ShardId(0), before.term, before.isr_version, free});
  peer(free).hold(ShardId(0), 0, 0);
  peer(free).receiving = {50, 2.0};
  peer(before.primary).vector_bytes = 200;
  auto seen = view().migrations().at(0);
  EXPECT_EQ(seen.state, "copying");
  EXPECT_EQ(seen.collection, "docs");
  EXPECT_EQ(seen.started_ms, 77);
  EXPECT_EQ(seen.bytes_done, 50U);
  EXPECT_EQ(seen.bytes_total, 200U);
  EXPECT_EQ(seen.vectors_total, 10U);
  EXPECT_EQ(seen.vectors_done, 2U) << "a quarter";
  ASSERT_TRUE(seen.eta_seconds);
  EXPECT_DOUBLE_EQ(*seen.eta_seconds, 6);
  EXPECT_TRUE(view().not_ready().empty()) << "a copy that arrives here is missed by nobody";

  const auto now = placement(0);
  propose(cluster::GrowIsr{ShardId(0), now.term, now.isr_version, now.copy_on(free)->id});
  EXPECT_EQ(view().migrations().at(0).state, "handing_over");
  ASSERT_TRUE(view().cancel_migration(1));
  EXPECT_EQ(view().migrations().at(0).state, "cancelling");
  EXPECT_EQ(view().cancel_migration(9).error().type, ErrorType::kNotFound);
  propose(cluster::EndMove{1, cluster::MoveState::kFailed, "because", 99});
  seen = view().migrations().at(0);
  EXPECT_EQ(seen.state, "failed");
  EXPECT_EQ(seen.note, "because");
  EXPECT_EQ(seen.ended_ms, 99);
  EXPECT_EQ(view().cancel_migration(1).error().type, ErrorType::kConflict);
}

TEST_F(ClusterViewTest, ANodeIsDrainedOnlyWhereTheOthersHaveRoom) {
  start(3);
  create(6, 3);
  const auto refused = view().remove_node(node(2), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  EXPECT_NE(refused.error().message.find("'docs' (3)"), std::string::npos) << refused.error().message;
  propose(cluster::UpsertNode{record(4), 0});
  const auto drained = view().remove_node(node(2), false);
  ASSERT_TRUE(drained) << drained.error().message;
  EXPECT_EQ(drained->migrations.size(), 6U);
  EXPECT_EQ(metadata.current()->nodes.at(node(2)).status, cluster::NodeStatus::kDraining);
  EXPECT_TRUE(drained->lost.empty());
  EXPECT_EQ(view().remove_node(node(9), false).error().type, ErrorType::kNodeNotFound);

  ASSERT_TRUE(view().cancel_drain(node(2)));
  EXPECT_EQ(metadata.current()->nodes.at(node(2)).status, cluster::NodeStatus::kActive);
  EXPECT_EQ(view().cancel_drain(node(2)).error().type, ErrorType::kConflict);
}

TEST_F(ClusterViewTest, ADrainThatIsStuckSaysWhy) {
  start(3);
  create(1, 2);
  const auto drained = placement(0).primary;
  propose(cluster::SetNodeStatus{drained, metadata.current()->nodes.at(drained).raft_id, cluster::NodeStatus::kActive,
                                 cluster::NodeStatus::kDraining});
  EXPECT_TRUE(view().migrations().empty()) << "there is room";
  for (int number = 1; number <= 3; ++number) {
    if (placement(0).copy_on(node(number)) == nullptr) set_unhealthy(number);
  }
  const auto rows = view().migrations();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].state, "blocked");
  EXPECT_EQ(rows[0].from, drained);
  EXPECT_FALSE(rows[0].id);
  EXPECT_NE(rows[0].note.find("every active node"), std::string::npos) << rows[0].note;
}

TEST_F(ClusterViewTest, ARemovalByForceIsForNodesThatAreGoneAndNamesWhatIsLost) {
  start(3);
  create(2, 1);
  const auto holder = placement(0).primary;
  EXPECT_EQ(view().remove_node(holder, true).error().type, ErrorType::kConflict) << "it is active";
  set_unhealthy(holder.value().back() - '0');
  const auto removed = view().remove_node(holder, true);
  ASSERT_TRUE(removed) << removed.error().message;
  ASSERT_FALSE(removed->lost.empty());
  EXPECT_EQ(removed->lost[0].shard, ShardId(0));
  EXPECT_EQ(removed->lost[0].collection, "docs");
  EXPECT_NE(removed->note.find("two nodes"), std::string::npos);
  EXPECT_EQ(view().remove_node(holder, true).error().type, ErrorType::kConflict) << "it was removed already";
}

TEST_F(ClusterViewTest, TheLastNodeStays) {
  start(1);
  EXPECT_EQ(view().remove_node(node(1), false).error().type, ErrorType::kValidation);
}

TEST_F(ClusterViewTest, ANodeIsAddedUnlessItBelongsToAnotherCluster) {
  start(3);
  NodeView wanted;
  wanted.id = node(2);
  EXPECT_EQ(view().add_node(wanted).error().type, ErrorType::kNodeAlreadyExists);
  wanted.id = node(4);
  wanted.address = "10.0.0.4";
  wanted.grpc_port = 15003;
  answer.node = node(4);
  answer.cluster_id = "cluster-b";
  const auto refused = view().add_node(wanted);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("cluster-b"), std::string::npos) << refused.error().message;
  answer.cluster_id.clear();
  const auto added = view().add_node(wanted);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->status, "joining");
  EXPECT_FALSE(added->problem.empty());
  EXPECT_EQ(metadata.current()->nodes.at(node(4)).status, cluster::NodeStatus::kJoining);
  ASSERT_TRUE(view().remove_node(node(4), false)) << "one that has not joined leaves at once";
}

TEST_F(ClusterViewTest, AllocateGivesAShardWithoutAPrimaryToWhatIsLeft) {
  start(3);
  create(1, 2);
  const auto before = placement(0);
  EXPECT_EQ(view().allocate(ShardId(0), before.primary, false).error().type, ErrorType::kConflict);
  propose(cluster::Promote{ShardId(0), before.term, before.isr_version, NodeId()});
  EXPECT_EQ(view().allocate(ShardId(0), node(9), false).error().type, ErrorType::kNodeNotFound);
  ASSERT_TRUE(view().allocate(ShardId(0), before.primary, false));
  EXPECT_EQ(placement(0).primary, before.primary);
  EXPECT_EQ(placement(0).copies.size(), 1U);
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
