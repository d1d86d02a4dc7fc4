#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "testing/memory_database.hpp"
#include "vectorizer/replication/heartbeat.hpp"
#include "vectorizer/replication/replica_group.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::replication {
namespace {

using cluster::CopyRole;

/// Real shards on three nodes of one process: threads, lanes and clocks as in a server, disks in memory.
class ReplicatedShardTest : public ::testing::Test, public peer::ReplicationDirectory {
 protected:
  struct Node {
    testing::MemoryDatabase disk;
    std::shared_ptr<ReplicaGroup> group;
    std::shared_ptr<shard::Shard> shard;
    std::atomic<bool> reachable{false};
  };
  class Link final : public peer::ReplicationPeer {
   public:
    Link(Node& node, Lane& lane) : node_(node), lane_(lane) {}
    void replicate(peer::ReplicateRequest request, OnReply on_reply) override {
      const bool queued = node_.reachable && lane_.try_post([&node = node_, request, on_reply] {
        on_reply(node.reachable ? Result<peer::ReplicateReply>(node.group->handle(request))
                                : Error{ErrorType::kTimeout, "no answer"});
      });
      if (!queued) on_reply(Error{ErrorType::kNodeUnreachable, "cut off"});
    }
    Result<void> fetch_checkpoint(const ShardId&, std::uint64_t, peer::CheckpointSink&) override {
      return Error{ErrorType::kNodeUnreachable, "none"};
    }

   private:
    Node& node_;
    Lane& lane_;
  };

  std::shared_ptr<peer::ReplicationPeer> replication(const NodeId& node) override {
    return std::make_shared<Link>(nodes_[static_cast<std::size_t>(node.value()[0] - 'a')], network_);
  }

  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "replicated-shard-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    placement_.shard = ShardId(1);
    placement_.primary = NodeId("a");
    placement_.min_in_sync = 2;
    for (std::uint64_t i = 0; i < 3; ++i) {
      placement_.copies.push_back({i + 1, NodeId(std::string(1, static_cast<char>('a' + i))), CopyRole::kInSync, ""});
    }
    for (std::size_t i = 0; i < 3; ++i) open(i);
    await([&] { return nodes_[0].group->stats().open; });
  }
  void TearDown() override {
    for (Node& node : nodes_) heartbeat_.remove(node.group);
    for (Node& node : nodes_) node.group->stop();
    network_.stop();
    heartbeat_.stop();
    for (Node& node : nodes_) node.shard.reset();
    std::filesystem::remove_all(root_);
  }

  void open(std::size_t i) {
    GroupPorts ports;
    ports.directory = this;
    heartbeat_.provide(ports, [this](const cluster::MetadataCommand& command) { return decide(command); });
    ports.lease_valid = [this] { return !isolated_; };
    ports.storage_full = [] { return false; };
    ports.fetch_checkpoint = [](const NodeId&, std::uint64_t) {};
    Node& node = nodes_[i];
    cluster::ShardPlacement placement;
    {
      const std::lock_guard lock(mutex_);
      placement = placement_;
    }
    ports.read_points = [&node](const auto& begin, const auto& visit, const auto& visit_result) {
      return node.disk.read_checkpoint(1, begin, visit, visit_result);
    };
    const auto& copy = placement.copies[i];
    auto points = node.disk.open_logged_store(1);
    auto log = std::move(*node.disk.open_log(1));
    auto group =
        ReplicaGroup::open({ShardId(1), copy.id, copy.node}, std::move(log), std::move(points), placement, {}, ports);
    ASSERT_TRUE(group) << group.error().message;
    node.group = *group;
    shard::ShardOptions options;
    options.id = ShardId(1);
    options.collection.name = "tests";
    options.collection.dimension = 2;
    options.directory = root_ / copy.node.value();
    auto opened = shard::open_shard(options, node.group->store(), shard_metrics_);
    ASSERT_TRUE(opened) << opened.error().message;
    node.shard = std::move(*opened);
    node.group->attach(
        [shard = node.shard.get()](std::span<const storage::StoredWrite> writes) { return shard->apply(writes); }, {});
    node.reachable = true;
    heartbeat_.add(node.group);
  }

  /// The metadata of this one shard.
  ProposalResult decide(const cluster::MetadataCommand& command) {
    if (isolated_) return {};
    const std::lock_guard lock(mutex_);
    const auto change = [&](std::uint64_t version, std::uint64_t copy, CopyRole role) {
      if (version != placement_.isr_version) return ProposalResult{ProposalResult::Outcome::kRefused, placement_};
      ++placement_.isr_version;
      placement_.copies[copy - 1].role = role;
      return ProposalResult{ProposalResult::Outcome::kCommitted, placement_};
    };
    if (const auto* shrink = std::get_if<cluster::ShrinkIsr>(&command)) {
      return change(shrink->isr_version, shrink->copy, CopyRole::kStale);
    }
    if (const auto* grow = std::get_if<cluster::GrowIsr>(&command)) {
      return change(grow->isr_version, grow->copy, CopyRole::kInSync);
    }
    return {};
  }
  void promote(std::size_t i) {
    cluster::ShardPlacement placement;
    {
      const std::lock_guard lock(mutex_);
      ++placement_.term;
      ++placement_.isr_version;
      placement_.primary = placement_.copies[i].node;
      placement = placement_;
    }
    for (Node& node : nodes_) node.group->reconcile(placement);
  }

  static void await(const std::function<bool()>& holds) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    ASSERT_TRUE(holds());
  }
  std::vector<std::pair<PointId, float>> points_on(std::size_t i) {
    ScrollQuery everything;
    everything.limit = 10000;
    everything.projection.with_vector = true;
    const auto page = nodes_[i].shard->scroll(everything);
    std::vector<std::pair<PointId, float>> points;
    if (!page) return points;
    for (const Point& point : page->points) points.emplace_back(point.id, point.vector.at(0));
    return points;
  }
  void expect_equal_copies() {
    await([&] {
      const auto last = nodes_[0].group->status().last.sequence;
      return std::all_of(nodes_.begin(), nodes_.end(),
                         [&](Node& node) { return node.group->status().applied == last; });
    });
    const auto points = points_on(0);
    EXPECT_FALSE(points.empty());
    for (std::size_t i = 1; i < 3; ++i) EXPECT_EQ(points_on(i), points) << i;
  }
  static WriteOp upsert(std::uint64_t id, float x) {
    WriteOp op;
    op.id = PointId(id);
    op.vector = {x, 1};
    return op;
  }

  std::filesystem::path root_;
  MetricsRegistry metrics_;
  shard::ShardMetrics shard_metrics_{metrics_};
  std::mutex mutex_;
  cluster::ShardPlacement placement_;
  std::atomic<bool> isolated_ = false;  // from the metadata: no leases, no answers
  std::array<Node, 3> nodes_;
  Lane network_{"network", 3, 1000};
  Heartbeat heartbeat_{{.interval = milliseconds(5)}, metrics_};
};

TEST_F(ReplicatedShardTest, ConcurrentWritersAreOnEveryCopy) {
  std::vector<std::jthread> writers;
  for (std::uint64_t t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 50; ++i) {
        WriteOp erase;
        erase.kind = WriteOp::Kind::kDelete;
        erase.id = PointId(t * 100 + i / 2);
        const bool deletes = i % 5 == 4;
        EXPECT_TRUE(nodes_[0].shard->write(std::vector{deletes ? erase : upsert(t * 100 + i, static_cast<float>(i))}));
      }
    });
  }
  writers.clear();
  expect_equal_copies();
}

TEST_F(ReplicatedShardTest, ANewPrimaryGoesOnUnderTheWriters) {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> acknowledged = 0;
  std::vector<std::jthread> writers;
  for (std::uint64_t t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      for (std::uint64_t i = 0; !stop; ++i) {
        const auto outcome = nodes_[i % 3].shard->write(std::vector{upsert(t * 100 + i % 100, static_cast<float>(i))});
        if (outcome) ++acknowledged;
      }
    });
  }
  await([&] { return acknowledged > 20; });
  for (const std::size_t next : {1U, 2U, 0U}) {
    promote(next);
    await([&] { return nodes_[next].group->stats().open; });
    const std::uint64_t before = acknowledged;
    await([&] { return acknowledged > before + 20; });
  }
  stop = true;
  writers.clear();
  expect_equal_copies();
}

TEST_F(ReplicatedShardTest, ACopyThatIsCutOffLeavesAndComesBack) {
  nodes_[2].reachable = false;
  EXPECT_TRUE(nodes_[0].shard->write(std::vector{upsert(1, 1)}));  // after it has left
  EXPECT_EQ(nodes_[0].group->stats().in_sync, 2U);
  nodes_[2].reachable = true;
  await([&] { return nodes_[0].group->stats().in_sync == 3; });
  EXPECT_TRUE(nodes_[0].shard->write(std::vector{upsert(2, 2)}));
  expect_equal_copies();
}

TEST_F(ReplicatedShardTest, APrimaryThatIsCutOffLetsItsWritersGo) {
  ASSERT_TRUE(nodes_[0].shard->write(std::vector{upsert(1, 1)}));
  // It notices while the write is under way: at its start the lease was good.
  nodes_[1].reachable = nodes_[2].reachable = false;
  std::jthread cut([&] {
    await([&] { return nodes_[0].group->status().last.sequence > nodes_[1].group->status().last.sequence; });
    isolated_ = true;
  });
  const auto outcome = nodes_[0].shard->write(std::vector{upsert(2, 2)});
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("lost touch"), std::string::npos) << outcome.error().message;
  EXPECT_NE(outcome.error().details.find(R"("outcome":"unknown")"), std::string::npos) << outcome.error().details;
}

TEST_F(ReplicatedShardTest, ARetryAtTheNextPrimaryGetsTheFirstResult) {
  WriteOp erase;
  erase.kind = WriteOp::Kind::kDelete;
  erase.id = PointId(7);
  const std::vector<WriteOp> ops{upsert(1, 1), erase};
  const RequestStamp stamp{{1, 2}, 3};
  // The first primary commits, and is gone before its client hears of it.
  ASSERT_TRUE(nodes_[0].shard->write(ops, stamp));
  nodes_[0].reachable = false;
  promote(1);
  await([&] { return nodes_[1].group->stats().open; });
  const auto eventually = [&](const std::vector<WriteOp>& wanted) {
    await([&] { return static_cast<bool>(nodes_[1].shard->write(wanted)); });
  };
  WriteOp erase_first = erase;
  erase_first.id = PointId(1);
  eventually({erase_first});
  eventually({upsert(1, 9), upsert(7, 9)});
  const auto again = nodes_[1].shard->write(ops, stamp);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, (std::vector{WriteOutcome::kApplied, WriteOutcome::kNotFound}));
  EXPECT_EQ(points_on(1), (std::vector<std::pair<PointId, float>>{{PointId(1), 9}, {PointId(7), 9}}));
}

TEST_F(ReplicatedShardTest, AWriteWhoseEntryWasCutIsForgottenAndDoneByItsRetry) {
  ASSERT_TRUE(nodes_[0].shard->write(std::vector{upsert(1, 1)}));
  const std::vector<WriteOp> ops{upsert(2, 2)};
  const RequestStamp stamp{{1, 2}, 3};
  // It reaches the log of the primary, and nobody else's.
  nodes_[1].reachable = nodes_[2].reachable = false;
  std::jthread cut([&] {
    await([&] { return nodes_[0].group->status().last.sequence > nodes_[1].group->status().last.sequence; });
    isolated_ = true;
  });
  ASSERT_FALSE(nodes_[0].shard->write(ops, stamp));
  cut.join();
  promote(1);
  isolated_ = false;
  nodes_[1].reachable = nodes_[2].reachable = true;
  await([&] { return nodes_[1].group->stats().open; });
  await([&] { return static_cast<bool>(nodes_[1].shard->write(std::vector{upsert(2, 9)})); });
  await([&] { return nodes_[1].group->stats().in_sync == 3; });
  const auto again = nodes_[1].shard->write(ops, stamp);
  ASSERT_TRUE(again) << again.error().message;
  expect_equal_copies();
  EXPECT_EQ(points_on(0), (std::vector<std::pair<PointId, float>>{{PointId(1), 1}, {PointId(2), 2}}));
}

}  // namespace
}  // namespace vectorizer::replication
