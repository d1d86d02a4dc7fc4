#include "vectorizer/control/restoring.hpp"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "forming.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::control {
namespace {

namespace fs = std::filesystem;
using cluster::ClusterMetadata;
using cluster::CopyRole;
using peer::Hello;
using peer::IdentityState;
using ::testing::HasSubstr;
using Kind = FormingStep::Kind;

Hello restored_hello(int number, std::uint64_t term, std::uint64_t index) {
  Hello hello;
  hello.node = NodeId("node-" + std::to_string(number));
  hello.uuid = "uuid-" + std::to_string(number);
  hello.raft_id = static_cast<std::uint64_t>(100 + number);
  hello.endpoint = "10.0.0." + std::to_string(number) + ":15003";
  hello.servers_hash = 77;
  hello.restored = peer::RestoredData{"old", term, index, 10, {}};
  return hello;
}

std::vector<Greeting> greetings_of(const std::vector<Hello>& nodes) {
  std::vector<Greeting> greetings;
  for (const auto& hello : nodes) greetings.push_back({hello.node.value(), hello.endpoint, hello, ""});
  return greetings;
}

TEST(RestoredForming, TheOneThatKnowsMostForms) {
  const auto one = restored_hello(1, 3, 90), two = restored_hello(2, 4, 50), three = restored_hello(3, 4, 49);
  const auto all = greetings_of({one, two, three});
  EXPECT_EQ(next_forming_step(two, all, 3).kind, Kind::kForm);
  EXPECT_THAT(next_forming_step(one, all, 3).reason, HasSubstr("'node-2' forms"));
  EXPECT_THAT(next_forming_step(three, all, 3).reason, HasSubstr("'node-2' forms"));
}

TEST(RestoredForming, AnEmptyNodeTakesPartAndDoesNotFormThoughItIsFirst) {
  auto empty = restored_hello(1, 0, 0);
  empty.restored.reset();
  const auto two = restored_hello(2, 1, 2);
  const auto all = greetings_of({empty, two});
  EXPECT_EQ(next_forming_step(two, all, 2).kind, Kind::kForm);
  EXPECT_EQ(next_forming_step(empty, all, 2).kind, Kind::kWait);
}

TEST(RestoredForming, AMemberOfTheFormerClusterIsInTheWay) {
  auto member = restored_hello(3, 0, 0);
  member.restored.reset();
  member.state = IdentityState::kMember;
  member.cluster_id = "old";
  const auto one = restored_hello(1, 3, 90);
  const auto step = next_forming_step(one, greetings_of({one, restored_hello(2, 1, 1), member}), 3);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_THAT(step.reason, HasSubstr("restore that node too"));
}

TEST(RestoredForming, WhoPromisedItselfJoinsTheClusterThatItPromisedItselfTo) {
  auto founder = restored_hello(2, 9, 9);
  founder.state = IdentityState::kMember;
  founder.cluster_id = "new";
  auto one = restored_hello(1, 3, 90);
  one.state = IdentityState::kClaimed;
  one.cluster_id = "new";
  EXPECT_EQ(next_forming_step(one, greetings_of({one, founder}), 2).kind, Kind::kJoin);
}

TEST(RestoredForming, BackupsOfTwoClustersAreNotMixed) {
  const auto one = restored_hello(1, 3, 90);
  auto other = restored_hello(2, 1, 1);
  other.restored->from_cluster = "another";
  EXPECT_THAT(next_forming_step(one, greetings_of({one, other}), 2).reason, HasSubstr("one of another"));
  EXPECT_FALSE(check_claim(one, {"new", 77, "uuid-2", "10.0.0.2:15003", "another"}));
  EXPECT_FALSE(check_claim(one, {"new", 77, "uuid-2", "10.0.0.2:15003", ""}));
  EXPECT_TRUE(check_claim(one, {"new", 77, "uuid-2", "10.0.0.2:15003", "old"}));
}

TEST(RestoredForming, ABackupIsNotTakenTwice) {
  const auto one = restored_hello(1, 3, 90);
  auto twin = restored_hello(2, 3, 90);
  twin.uuid = one.uuid;
  EXPECT_THAT(next_forming_step(one, greetings_of({one, twin}), 2).reason, HasSubstr("backup of one node"));
}

TEST(RestoredForming, ASingleNodesDataIsInTheWay) {
  const auto one = restored_hello(1, 3, 90);
  auto single = restored_hello(2, 1, 1);
  single.restored.reset();
  single.has_data = true;
  EXPECT_THAT(next_forming_step(one, greetings_of({one, single}), 2).reason, HasSubstr("'node-2' holds collections"));
}

/// One collection of `factor` copies over three nodes.
ClusterMetadata three_nodes(std::uint32_t factor) {
  ClusterMetadata metadata;
  const auto apply = [&](const cluster::MetadataCommand& command) {
    auto next = cluster::apply(metadata, command);
    ASSERT_TRUE(next) << next.error().message;
    metadata = std::move(*next);
  };
  apply(cluster::InitCluster{"old", 3});
  for (const int number : {1, 2, 3}) {
    cluster::NodeRecord node;
    node.id = NodeId("node-" + std::to_string(number));
    node.address = "10.0.0." + std::to_string(number);
    node.grpc_port = 15003;
    node.uuid = "uuid-" + std::to_string(number);
    node.raft_id = static_cast<std::uint64_t>(number);
    apply(cluster::UpsertNode{node, 0});
  }
  apply(cluster::Formed{});
  CollectionConfig config;
  config.name = "docs";
  config.dimension = 2;
  config.sharding.shard_count = 1;
  config.sharding.replication_factor = factor;
  config.sharding.min_in_sync = 1;
  apply(cluster::CreateCollection{config, 1});
  return metadata;
}

/// The first shard as if it had been open in term 6.
cluster::ShardPlacement& opened(ClusterMetadata& metadata) {
  auto& shard = metadata.placements.begin()->second;
  shard.term = 6;
  for (auto& copy : shard.copies) copy.role = CopyRole::kInSync;
  return shard;
}

void holds(Hello& node, const cluster::ShardPlacement& shard, std::uint64_t copy, std::uint64_t term,
           LogPosition last) {
  peer::CopyStatus status;
  status.shard = shard.shard;
  status.copy = copy;
  status.term = term;
  status.last = last;
  node.restored->copies.push_back(status);
}

TEST(RestoredMetadata, TheCopyThatHoldsMostLeadsAndTheOthersFollow) {
  auto before = three_nodes(3);
  auto& shard = opened(before);
  std::vector<Hello> nodes{restored_hello(1, 1, 1), restored_hello(2, 1, 1), restored_hello(3, 1, 1)};
  for (auto& node : nodes) {
    const auto id = shard.copy_on(node.node)->id;
    if (node.node == NodeId("node-1")) holds(node, shard, id, 7, {100, 5});
    if (node.node == NodeId("node-2")) holds(node, shard, id, 6, {90, 6});
    if (node.node == NodeId("node-3")) holds(node, shard, id, 6, {89, 6});
  }

  const auto after = restored_metadata(before, "new", 3, nodes[2], nodes);

  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->cluster_id, "new");
  EXPECT_EQ(after->expected_nodes, 3U);
  EXPECT_FALSE(after->formed);
  EXPECT_GT(after->epoch, before.epoch);
  EXPECT_EQ(after->nodes.at(NodeId("node-3")).status, cluster::NodeStatus::kActive);
  EXPECT_EQ(after->nodes.at(NodeId("node-1")).status, cluster::NodeStatus::kJoining);
  EXPECT_EQ(after->nodes.at(NodeId("node-1")).raft_id, 101U);
  const auto& now = after->placements.begin()->second;
  EXPECT_EQ(now.primary, NodeId("node-2")) << "a later term outweighs a longer log";
  EXPECT_EQ(now.term, 8U) << "beyond all terms that a copy has seen";
  EXPECT_GT(now.isr_version, shard.isr_version);
  EXPECT_EQ(now.copies.size(), 3U);
  for (const auto& copy : now.copies) {
    EXPECT_EQ(copy.role, copy.node == NodeId("node-2") ? CopyRole::kInSync : CopyRole::kRecovering);
    EXPECT_EQ(copy.id, shard.copy_on(copy.node)->id);
    EXPECT_TRUE(after->present(copy));
  }
}

TEST(RestoredMetadata, CopiesThatTheMetadataHadForgottenAreUsed) {
  auto before = three_nodes(1);
  auto& shard = opened(before);
  const auto elsewhere = shard.primary == NodeId("node-1") ? 2 : 1;
  std::vector<Hello> nodes{restored_hello(elsewhere, 1, 1)};
  holds(nodes[0], shard, 4000, 2, {5, 2});

  std::ostringstream log;
  auto before_this = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
  const auto after = restored_metadata(before, "new", 1, nodes[0], nodes);
  spdlog::set_default_logger(std::move(before_this));

  ASSERT_TRUE(after);
  EXPECT_NE(log.str().find("may lack what was acknowledged last"), std::string::npos);
  const auto& now = after->placements.begin()->second;
  ASSERT_EQ(now.copies.size(), 1U);
  EXPECT_EQ(now.copies[0].id, 4000U);
  EXPECT_EQ(now.primary, nodes[0].node);
  EXPECT_GT(after->next_copy_id, 4000U);
}

TEST(RestoredMetadata, AShardThatNobodyHoldsWaitsForAnOperatorUnlessItWasNeverOpen) {
  auto before = three_nodes(2);
  std::vector<Hello> nodes{restored_hello(1, 1, 1)};
  const auto empty = restored_metadata(before, "new", 1, nodes[0], nodes);
  ASSERT_TRUE(empty);
  const auto& fresh = empty->placements.begin()->second;
  ASSERT_EQ(fresh.copies.size(), 1U);
  EXPECT_EQ(fresh.copies[0].role, CopyRole::kInit);
  EXPECT_EQ(fresh.primary, NodeId("node-1"));

  opened(before);
  const auto lost = restored_metadata(before, "new", 1, nodes[0], nodes);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->placements.begin()->second.primary, NodeId());
  EXPECT_EQ(lost->placements.begin()->second.in_sync_count(), 2U);
  EXPECT_TRUE(cluster::decode_metadata(cluster::encode_metadata(*lost)));
}

TEST(RestoredMetadata, MovesOfTheFormerClusterAreOver) {
  auto before = three_nodes(1);
  before.migrations[3].id = 3;
  before.migrations[4].id = 4;
  before.migrations[4].state = cluster::MoveState::kDone;
  std::vector<Hello> nodes{restored_hello(1, 1, 1)};
  const auto after = restored_metadata(before, "new", 1, nodes[0], nodes);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->migrations.at(3).state, cluster::MoveState::kFailed);
  EXPECT_NE(after->migrations.at(3).ended_at_ms, 0);
  EXPECT_EQ(after->migrations.at(4).state, cluster::MoveState::kDone);
}

TEST(RestoredMetadata, IsNotOlderThanWhatAnyCopyRemembers) {
  auto before = three_nodes(1);
  std::vector<Hello> nodes{restored_hello(1, 1, 1), restored_hello(2, 1, 1)};
  nodes[1].restored->metadata_epoch = 5000;
  EXPECT_GT(restored_metadata(before, "new", 2, nodes[0], nodes)->epoch, 5000U);
}

/// A data directory of a member, as a backup has it.
class BeginRestore : public ::testing::Test {
 protected:
  BeginRestore() {
    std::string pattern = (fs::temp_directory_path() / "vectorizer-restore-XXXXXX").string();
    home = ::mkdtemp(pattern.data());
    auto file = IdentityFile::open(home, NodeId("node-1"), false);
    EXPECT_TRUE((*file)->update([](Identity& identity) {
      identity.cluster_id = "old";
      identity.state = IdentityState::kMember;
    }));
    before = (*file)->current();
    consensus::RaftOptions raft;
    raft.raft_id = before.raft_id;
    raft.directory = home / "raft";
    EXPECT_TRUE(consensus::bootstrap_raft(raft, three_nodes(2)));
    mark("{\"format\":1,\"checked\":true}");
  }
  ~BeginRestore() override { fs::remove_all(home); }
  void mark(const std::string& text) { std::ofstream(home / storage::kRestoreMarker) << text; }
  Result<std::optional<RestoredNode>> begin() { return begin_restore(home, NodeId("node-1")); }

  fs::path home;
  Identity before;
};

TEST_F(BeginRestore, TheNodeLeavesItsClusterAndKeepsWhatItKnew) {
  const auto restored = begin();

  ASSERT_TRUE(restored) << restored.error().message;
  ASSERT_TRUE(*restored);
  EXPECT_EQ((*restored)->data.from_cluster, "old");
  EXPECT_EQ((*restored)->data.raft_index, 2U);
  EXPECT_EQ((*restored)->metadata.collections.size(), 1U);
  EXPECT_FALSE(fs::exists(home / "raft"));
  const auto now = *read_identity(home);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->uuid, before.uuid);
  EXPECT_NE(now->raft_id, before.raft_id);
  EXPECT_EQ(now->state, IdentityState::kVirgin);
  EXPECT_EQ(now->boot_epoch, 0U);
  EXPECT_TRUE(now->earlier_nonces.empty());
}

TEST_F(BeginRestore, IsRepeatedUntilTheNodeBelongsToAnotherCluster) {
  ASSERT_TRUE(*begin());
  const auto first = *read_identity(home);
  ASSERT_TRUE(*begin());
  EXPECT_EQ(*read_identity(home), first) << "nothing changes twice";
  fs::create_directories(home / "raft" / "store");  // the founder has begun
  auto file = IdentityFile::open(home, NodeId("node-1"), true);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->update([](Identity& identity) { identity.state = IdentityState::kClaimed; }));
  ASSERT_TRUE(*begin());
  EXPECT_TRUE(fs::exists(home / "raft")) << "that log is of the new cluster";

  ASSERT_TRUE((*file)->update([](Identity& identity) { identity.state = IdentityState::kMember; }));
  EXPECT_FALSE(*begin());
  EXPECT_FALSE(fs::exists(home / storage::kRestoreMarker));
}

TEST_F(BeginRestore, ACrashBetweenAnyTwoStepsIsMadeUpFor) {
  ASSERT_TRUE(*begin());
  // As if it had died before the identity was renewed, and before that was noted.
  std::ifstream file(home / storage::kRestoreMarker);
  std::string marker(std::istreambuf_iterator<char>(file), {});
  const std::string left = "\"left\":true,";
  ASSERT_NE(marker.find(left), std::string::npos) << marker;
  mark(marker.erase(marker.find(left), left.size()));

  const auto again = begin();

  ASSERT_TRUE(again) << again.error().message;
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->metadata.collections.size(), 1U);
  EXPECT_EQ((*read_identity(home))->uuid, before.uuid);
}

TEST_F(BeginRestore, OnlyTrueSaysThatTheNodeHasLeft) {
  mark(R"({"format":1,"checked":true,"left":"yes"})");
  ASSERT_TRUE(*begin());
  EXPECT_EQ((*read_identity(home))->state, IdentityState::kVirgin);
}

TEST_F(BeginRestore, ABackupOfAnotherNodeIsRefused) {
  const auto refused = begin_restore(home, NodeId("node-2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("backup of node 'node-1'"));
  EXPECT_TRUE(fs::exists(home / "raft"));
}

TEST_F(BeginRestore, WhatBelongedToNoClusterIsNotRestored) {
  fs::remove_all(home / "raft");
  EXPECT_FALSE(*begin());
  EXPECT_FALSE(fs::exists(home / storage::kRestoreMarker));
  EXPECT_FALSE(*begin());
}

}  // namespace
}  // namespace vectorizer::control
