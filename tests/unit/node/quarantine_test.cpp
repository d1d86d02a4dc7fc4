#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include "testing/memory_database.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"
#include "vectorizer/node/local_node.hpp"

namespace vectorizer::node {
namespace {

/// Nodes of a cluster in one process, over one metadata log; the test leads the metadata.
class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quarantine_XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    log_ = std::move(*consensus::open_single_node_metadata_log(metadata_disk_, record(0)));
    for (std::size_t i = 1; i < kNodes; ++i) EXPECT_TRUE(log_->propose(cluster::UpsertNode{record(i), 0}));
    for (std::size_t i = 0; i < kNodes; ++i) {
      LocalNodeOptions options;
      options.self = name(i);
      options.data_dir = root_ / name(i).value();
      options.replication.emplace();
      options.replication->peers = &directory_;
      options.replication->nodes = &directory_;
      options.replication->lease_valid = [] { return true; };
      options.replication->node_uuid = record(i).uuid;
      options.replication->scrub_interval = std::chrono::milliseconds(50);
      nodes_.push_back(make_local_node(options, disks_[i], *log_, registries_[i]));
      directory_.nodes[name(i)] = nodes_.back().get();
    }
  }
  ~QuarantineTest() override {
    for (auto& node : nodes_) node->stop();
    nodes_.clear();
    std::filesystem::remove_all(root_);
  }

  static NodeId name(std::size_t node) { return NodeId("node-" + std::to_string(node + 1)); }
  static cluster::NodeRecord record(std::size_t node) {
    cluster::NodeRecord record{name(node), "127.0.0.1", 15003, 15002};
    if (node > 0) {
      record.uuid = std::string(32, static_cast<char>('0' + node));
      record.raft_id = node + 1;
    }
    return record;
  }

  class Directory final : public peer::PeerDirectory, public peer::ReplicationDirectory {
   public:
    peer::Peer* find(const NodeId& node) override { return nodes.at(node); }
    std::shared_ptr<peer::ReplicationPeer> replication(const NodeId& node) override {
      return {std::shared_ptr<void>(), nodes.at(node)};
    }
    std::map<NodeId, LocalNode*> nodes;
  };

  void reconcile() {
    for (auto& node : nodes_) node->reconcile(log_->current());
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      reconcile();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  /// A collection of one shard with that many copies in sync, and 50 points.
  void fill(std::uint32_t copies) {
    CollectionConfig config;
    config.name = "docs";
    config.dimension = 2;
    config.sharding.shard_count = 1;
    config.sharding.replication_factor = copies;
    ASSERT_TRUE(log_->propose(cluster::CreateCollection{config, 0}));
    ASSERT_TRUE(until([&] { return placement().in_sync_count() == copies; }));
    std::vector<WriteOp> ops;
    for (std::uint64_t id = 1; id <= 50; ++id) {
      WriteOp op;
      op.id = PointId(id);
      op.vector = {static_cast<float>(id), 1};
      ops.push_back(std::move(op));
    }
    ASSERT_TRUE(until([&] {
      const auto replies = node(placement().primary).write({{kShard, placement().term, ops}});
      return static_cast<bool>(replies.at(0).outcomes);
    }));
    ASSERT_TRUE(until([&] {
      const auto& held = placement().copies;
      return std::all_of(held.begin(), held.end(), [&](const auto& copy) { return has_all(copy.node); });
    }));
  }
  const cluster::ShardPlacement& placement() {
    current_ = log_->current();
    return current_->placements.at(kShard);
  }
  std::size_t index(const NodeId& id) const {
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (id == name(i)) return i;
    }
    return kNodes;
  }
  LocalNode& node(const NodeId& id) { return *nodes_.at(index(id)); }
  NodeId follower() {
    const auto& shard = placement();
    for (const auto& copy : shard.copies) {
      if (copy.node != shard.primary) return copy.node;
    }
    return NodeId();
  }
  bool failed(const NodeId& id) {
    const auto copies = node(id).copies();
    return std::any_of(copies.begin(), copies.end(), [](const auto& copy) { return copy.failed; });
  }
  std::string quarantined(const NodeId& id) {
    const auto reports = node(id).report(std::span(&kShard, 1));
    return reports->empty() ? "" : reports->front().quarantined;
  }
  Result<std::uint64_t> count(const NodeId& id) {
    return std::move(node(id).count({&kShard, 1}, std::nullopt, {Consistency::kAny, {}, {}}).at(0).answer);
  }
  bool has_all(const NodeId& id) {
    const auto counted = count(id);
    return counted && *counted == 50;
  }
  /// As the leader of the metadata does for a copy that its node calls failed.
  void replace(const NodeId& id) {
    const auto shard = placement();
    const auto dropped = log_->propose(cluster::DropCopy{kShard, shard.term, shard.isr_version, shard.copy_on(id)->id});
    ASSERT_TRUE(dropped) << dropped.error().message;
    reconcile();
    allocate(id);
  }
  void allocate(const NodeId& id) {
    ASSERT_TRUE(log_->propose(cluster::AllocateCopy{kShard, placement().term, placement().isr_version, id}));
    ASSERT_TRUE(until([&] { return placement().in_sync_count() == placement().copies.size(); }));
  }

  static constexpr std::size_t kNodes = 3;
  static inline const ShardId kShard{0};
  std::filesystem::path root_;
  testing::MemoryDatabase metadata_disk_;
  testing::MemoryDatabase disks_[kNodes];
  MetricsRegistry registries_[kNodes];
  std::unique_ptr<cluster::MetadataLog> log_;
  std::shared_ptr<const cluster::ClusterMetadata> current_;
  Directory directory_;
  std::vector<std::unique_ptr<LocalNode>> nodes_;
};

TEST_F(QuarantineTest, AnAlteredCopyIsFoundGivenUpAndMadeAgain) {
  fill(3);
  const auto bad = follower(), primary = placement().primary;
  const auto copy = placement().copy_on(bad)->id;
  disks_[index(bad)].alter(1, PointId(std::uint64_t{7}));
  ASSERT_TRUE(until([&] { return placement().copy(copy) == nullptr; }));
  EXPECT_TRUE(until([&] { return !count(bad); }));
  ASSERT_TRUE(until([&] { return !quarantined(primary).empty(); }));
  EXPECT_NE(quarantined(primary).find("vector 7"), std::string::npos) << quarantined(primary);
  EXPECT_EQ(node(primary).report(std::span(&kShard, 1))->front().quarantined_node, bad);
  EXPECT_EQ(registries_[index(primary)].gauge("vectorizer_quarantined_copies", "").Value(), 1);

  allocate(bad);
  ASSERT_TRUE(until([&] { return has_all(bad); }));
  const auto good = *node(primary).digest(kShard), made = *node(bad).digest(kShard);
  EXPECT_EQ(std::tie(good.high, good.low), std::tie(made.high, made.low));
  ASSERT_TRUE(until([&] { return quarantined(primary).empty(); }));
  EXPECT_EQ(registries_[index(primary)].counter("vectorizer_quarantines_total", "").Value(), 1);
}

TEST_F(QuarantineTest, AnAlteredPrimaryGivesUpTheLead) {
  fill(3);
  const auto bad = placement().primary;
  disks_[index(bad)].alter(1, PointId(std::uint64_t{7}));
  ASSERT_TRUE(until([&] { return failed(bad); }));
  const auto shard = placement();
  ASSERT_TRUE(log_->propose(cluster::Promote{kShard, shard.term, shard.isr_version, follower()}));
  replace(bad);
  EXPECT_EQ(*count(placement().primary), 50U);
  EXPECT_TRUE(until([&] { return has_all(bad); }));
}

TEST_F(QuarantineTest, AWrongChecksumIsEnoughWhileThereIsAnotherCopy) {
  fill(2);
  const auto bad = placement().primary;
  disks_[index(bad)].find_damage(1);
  ASSERT_TRUE(until([&] { return failed(bad); }));
  EXPECT_EQ(quarantined(bad), "a checksum is wrong");
  EXPECT_FALSE(failed(follower()));
}

TEST_F(QuarantineTest, TheOnlyCopyIsUsedAndSaysThatItIsDamaged) {
  fill(1);
  const auto only = placement().primary;
  disks_[index(only)].find_damage(1);
  ASSERT_TRUE(until([&] { return !node(only).warnings().empty(); }));
  EXPECT_FALSE(failed(only));
  EXPECT_EQ(*count(only), 50U);
  EXPECT_NE(node(only).warnings().front().find("its only copy is damaged"), std::string::npos);
}

TEST_F(QuarantineTest, ACopyThatLostItsEndIsNotUsedWhileThereIsAnother) {
  fill(2);
  const auto bad = follower();
  node(bad).lose({placement().copy_on(bad)->id});
  EXPECT_TRUE(failed(bad));
  node(placement().primary).lose({12345});
  EXPECT_FALSE(failed(placement().primary));
}

}  // namespace
}  // namespace vectorizer::node
