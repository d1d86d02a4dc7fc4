#include "vectorizer/coordinator/collection_admin.hpp"

#include <chrono>
#include <thread>

#include "member_cluster.hpp"

namespace vectorizer::coordinator::testing {
namespace {

using Clock = std::chrono::steady_clock;

class CollectionAdminTest : public MemberClusterTest {
 protected:
  CollectionAdmin& admin(std::uint32_t max_collections = 100) {
    if (!admin_) admin_ = make_collection_admin({node(1), max_collections}, metadata, peers);
    return *admin_;
  }
  CollectionConfig config(const std::string& name = "docs") {
    CollectionConfig config;
    config.name = name;
    config.dimension = 2;
    config.sharding.shard_count = config.sharding.replication_factor = config.sharding.min_in_sync = 0;
    return config;
  }
  /// Creates while another thread opens the copies, as their nodes do.
  Result<CollectionInfo> create_and_open(const CollectionConfig& config) {
    std::jthread nodes([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        open_all();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    return admin().create(config);
  }

 private:
  std::unique_ptr<CollectionAdmin> admin_;
};

TEST_F(CollectionAdminTest, ACollectionHasTwoShardsPerNodeAndTwoCopiesUnlessItSaysOtherwise) {
  start(3);
  for (int number = 1; number <= 3; ++number) {
    for (std::uint64_t shard = 0; shard < 6; ++shard) peer(node(number)).hold(ShardId(shard), 0, 0);
  }
  const auto info = create_and_open(config());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->config.sharding.shard_count, 6U);
  EXPECT_EQ(info->config.sharding.replication_factor, 2U);
  EXPECT_EQ(info->config.sharding.min_in_sync, 1U);
  EXPECT_EQ(info->status, "green");
}

TEST_F(CollectionAdminTest, ASingleNodeHasOneShardAndOneCopy) {
  propose(cluster::UpsertNode{record(1), 0});
  peers.nodes[node(1)].hold(ShardId(0), 0, 0);
  const auto info = admin().create(config());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->config.sharding.shard_count, 1U);
  EXPECT_EQ(info->config.sharding.replication_factor, 1U);
}

TEST_F(CollectionAdminTest, CreateReturnsWhenThePrimariesAnswerAsSuch) {
  start(3);
  for (int number = 1; number <= 3; ++number) peer(node(number)).refuse_counts = 4;
  ASSERT_TRUE(create_and_open(config()));
  for (int number = 1; number <= 3; ++number) EXPECT_EQ(peer(node(number)).refuse_counts, 0) << number;
}

TEST_F(CollectionAdminTest, ACollectionThatIsMadeAgainWhileItIsWaitedForIsAnswered) {
  start(3);
  std::jthread rival([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && metadata.current()->find("docs") == nullptr) std::this_thread::yield();
    auto again = config();
    again.sharding.shard_count = 2;
    metadata.decide_elsewhere(cluster::DropCollection{"docs"});
    metadata.decide_elsewhere(cluster::CreateCollection{again, 0});
    ASSERT_TRUE(metadata.catch_up());
    while (!stop.stop_requested()) {
      open_all();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto info = admin().create(config());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->config.sharding.shard_count, 2U);
}

TEST_F(CollectionAdminTest, MoreCopiesThanNodesNamesBoth) {
  start(3);
  auto wanted = config();
  wanted.sharding.replication_factor = 4;
  const auto refused = admin().create(wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kValidation);
  EXPECT_NE(refused.error().message.find("4 copies"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("has 3"), std::string::npos) << refused.error().message;
}

TEST_F(CollectionAdminTest, TheNumberOfCollectionsIsBounded) {
  start(1);
  create(1, 1);
  const auto refused = admin(1).create(config("other"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  EXPECT_EQ(admin().create(config()).error().type, ErrorType::kCollectionAlreadyExists);
}

TEST_F(CollectionAdminTest, AHangingPrimaryCostsASecondAndItsVectorsAreCountedElsewhere) {
  start(3);
  create(6, 2);
  fill(10);
  peer(node(2)).hang(true);
  const auto begin = Clock::now();
  const auto info = admin().get("docs");
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
  peer(node(2)).hang(false);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->vector_count, 60U);
  EXPECT_EQ(info->shards_active, 4U);
  EXPECT_EQ(info->status, "red") << "two shards have a primary that does not answer";
}

TEST_F(CollectionAdminTest, ANodeKnownToBeAwayIsNotAsked) {
  start(3);
  create(6, 2);
  fill(10);
  for (std::uint64_t shard = 0; shard < 6; ++shard) {
    const auto& of = placement(shard);
    if (of.primary != node(2)) continue;
    for (const auto& copy : of.copies) {
      if (copy.node == node(2)) continue;
      propose(cluster::Promote{ShardId(shard), of.term, of.isr_version, copy.node});
      break;
    }
  }
  set_unhealthy(2);
  const auto all = admin().list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(peer(node(2)).reports, 0);
  EXPECT_EQ(all[0].vector_count, 60U);
  EXPECT_EQ(all[0].shards_active, 6U);
  EXPECT_EQ(all[0].shards_under_replicated, 4U) << "those that have a copy there";
  EXPECT_EQ(all[0].status, "yellow");
}

TEST_F(CollectionAdminTest, NotFoundIsSaidOnlyByANodeThatHasCaughtUp) {
  start(1);
  auto made = config();
  made.sharding = {1, 10, 1, 1, 0.2};
  metadata.decide_elsewhere(cluster::CreateCollection{made, 0});
  EXPECT_TRUE(admin().get("docs"));
  EXPECT_EQ(admin().get("none").error().type, ErrorType::kCollectionNotFound);
  metadata.lead = NodeId();
  EXPECT_EQ(admin().get("none").error().type, ErrorType::kNoLeader);
}

TEST_F(CollectionAdminTest, AlterTriesAgainOnWhatAnotherNodeHasChanged) {
  start(1);
  create(1, 1);
  const auto before = metadata.current()->find("docs")->config;
  auto changed = before;
  changed.hnsw.ef_search = 99;
  metadata.decide_elsewhere(cluster::AlterCollection{before, changed});
  const auto info = admin().alter("docs", nlohmann::json::parse(R"({"sharding":{"rebalance_threshold":0.5}})"));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->config.hnsw.ef_search, 99U);
  EXPECT_EQ(info->config.sharding.rebalance_threshold, 0.5);
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
