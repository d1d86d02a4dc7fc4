#include <algorithm>
#include <set>

#include "fake_cluster.hpp"
#include "outages.hpp"

namespace vectorizer::coordinator::testing {
namespace {

/// Three nodes with three shards of two copies each, all in sync; this node is node-1.
class ReadCoordinatorTest : public ClusterTest {
 protected:
  void SetUp() override {
    create_nodes(3);
    CollectionConfig config;
    config.name = "docs";
    config.dimension = 2;
    config.sharding.shard_count = 3;
    config.sharding.replication_factor = 2;
    ASSERT_TRUE(metadata.propose(cluster::CreateCollection{config, 0}));
    const std::vector<ShardId> all = shards();  // what is proposed replaces the metadata
    for (const auto& shard : all) {
      const auto at = [&] { return metadata.current()->placements.at(shard); };
      if (!at().open()) {
        ASSERT_TRUE(metadata.propose(cluster::OpenCopy{shard, at().term, at().isr_version, at().primary}));
      }
      for (const auto& copy : at().copies) {
        if (copy.role == cluster::CopyRole::kInSync) continue;
        ASSERT_TRUE(metadata.propose(cluster::GrowIsr{shard, at().term, at().isr_version, copy.id}));
      }
      ASSERT_EQ(at().in_sync_count(), 2U);
    }
  }
  cluster::ShardPlacement placement(const ShardId& shard) { return metadata.current()->placements.at(shard); }
  ScriptedPeer& node(int number) { return peers.nodes.at(NodeId("node-" + std::to_string(number))); }
  /// A shard of which this node has a copy that is not the primary's.
  ShardId followed_here() {
    for (const auto& shard : shards()) {
      const auto of = placement(shard);
      if (of.copy_on(NodeId("node-1")) != nullptr && of.primary != NodeId("node-1")) return shard;
    }
    ADD_FAILURE() << "no such shard";
    return ShardId(0);
  }
  std::size_t calls() {
    std::size_t calls = 0;
    for (auto& [id, peer] : peers.nodes) calls += peer.reads.size();
    return calls;
  }
  static bool asked(const ScriptedPeer& peer, const ShardId& shard) {
    return std::find(peer.asked.begin(), peer.asked.end(), shard) != peer.asked.end();
  }

  /// No copy of the shard answers.
  void cut_off(const ShardId& shard) {
    for (auto& [id, peer] : peers.nodes) {
      peer.failures.emplace(shard, Error{ErrorType::kShardUnavailable, "its primary is taking over"});
    }
  }
  static Deadline in(std::chrono::milliseconds time) {
    return Deadline(Deadline::Clock::now(), static_cast<std::uint32_t>(time.count()));
  }

  const ReadFrom any_{Consistency::kAny, {}, {}};
};

TEST_F(ReadCoordinatorTest, AnyAsksTheCopyHereAndOneNodeForAllThatItHas) {
  EXPECT_EQ(*data->count("docs", std::nullopt, any_), 3U);
  for (const auto& shard : shards()) {
    const bool here = placement(shard).copy_on(NodeId("node-1")) != nullptr;
    EXPECT_EQ(asked(node(1), shard), here);
  }
  EXPECT_EQ(node(1).reads.size(), 1U);
  EXPECT_LE(calls(), 2U);  // one for the shards here, and one for the others
  for (const auto& [id, peer] : peers.nodes) {
    for (const auto& from : peer.reads) EXPECT_EQ(from.consistency, Consistency::kAny);
  }
}

TEST_F(ReadCoordinatorTest, PrimariesAreAskedUnlessTheReadSaysAny) {
  EXPECT_EQ(*data->count("docs", std::nullopt, {}), 3U);
  for (const auto& shard : shards()) {
    for (auto& [id, peer] : peers.nodes) EXPECT_EQ(asked(peer, shard), placement(shard).primary == id);
  }
}

TEST_F(ReadCoordinatorTest, ACopyThatRefusesIsReplacedByAnother) {
  const auto shard = followed_here();
  node(1).failures.emplace(shard, Error{ErrorType::kShardUnavailable, "it does not hear from its primary"});
  const PointId id = [&] {
    PointId candidate(std::uint64_t{0});
    for (std::uint64_t i = 1; metadata.current()->find("docs")->shard_of(candidate) != shard; ++i)
      candidate = PointId(i);
    return candidate;
  }();
  const std::vector<PointId> ids{id};
  const auto points = data->get("docs", ids, {}, any_);
  ASSERT_TRUE(points) << points.error().message;
  ASSERT_EQ(points->size(), 1U);
  EXPECT_EQ(points->front()->id, id);
  EXPECT_TRUE(asked(primary(shard), shard));
  ScrollQuery page;
  EXPECT_TRUE(data->scroll("docs", page, any_));

  for (auto& [name, peer] : peers.nodes) {
    peer.failures.emplace(shard, Error{ErrorType::kShardUnavailable, "nor does this one"});
  }
  EXPECT_EQ(data->get("docs", ids, {}, any_).error().type, ErrorType::kShardUnavailable);
  EXPECT_EQ(data->scroll("docs", page, any_).error().type, ErrorType::kShardUnavailable);
  EXPECT_EQ(data->count("docs", std::nullopt, any_).error().type, ErrorType::kShardUnavailable);
}

TEST_F(ReadCoordinatorTest, ASessionIsAskedForWhereverTheReadGoes) {
  const auto shard = followed_here();
  const ReadFrom session{Consistency::kAny, {{shard, {.sequence = 7, .term = 1}}}, {}};
  node(1).failures.emplace(shard, Error{ErrorType::kShardUnavailable, "this copy has not caught up"});
  EXPECT_EQ(*data->count("docs", std::nullopt, session), 3U);
  EXPECT_TRUE(asked(primary(shard), shard));
  for (const auto& [id, peer] : peers.nodes) {
    for (const auto& from : peer.reads) EXPECT_EQ(from.session, session.session);
  }
  primary(shard).failures.emplace(shard, Error{ErrorType::kSessionLost, "lost"});
  EXPECT_EQ(data->count("docs", std::nullopt, session).error().type, ErrorType::kSessionLost);
}

TEST_F(ReadCoordinatorTest, ASearchOfASessionAsksAnyCopyToo) {
  auto wanted = query();
  const auto shard = followed_here();
  wanted.session = {{shard, {.sequence = 7, .term = 1}}};
  std::vector<ShardPositions> seen;
  std::mutex mutex;
  for (auto& [id, peer] : peers.nodes) {
    peer.on_search = [&](const SearchQuery& asked) {
      const std::lock_guard lock(mutex);
      seen.push_back(asked.session);
      EXPECT_EQ(asked.consistency, Consistency::kAny);
    };
  }
  ASSERT_TRUE(data->search("docs", wanted));
  data.reset();  // ends the calls of a hedge, if this machine was slow
  EXPECT_TRUE(asked(node(1), shard));
  ASSERT_GE(seen.size(), 3U);
  for (const auto& session : seen) EXPECT_EQ(session, wanted.session);
}

TEST_F(ReadCoordinatorTest, AReadWaitsWhileAShardIsTakenOver) {
  const auto shard = followed_here();
  for (const auto consistency : {Consistency::kAny, Consistency::kPrimary}) {
    cut_off(shard);
    for (auto& [id, node] : peers.nodes) {
      node.on_read = [peer = &node, &shard, calls = 0]() mutable {
        if (++calls == 3) peer->failures.erase(shard);
      };
    }
    const auto count = data->count("docs", std::nullopt, {consistency, {}, in(std::chrono::minutes(1))});
    ASSERT_TRUE(count) << count.error().message;
    EXPECT_EQ(*count, 3U);
  }
}

TEST_F(ReadCoordinatorTest, OnlyTheShardThatDidNotAnswerIsAskedAgain) {
  const auto shard = followed_here();
  cut_off(shard);
  for (auto& [id, node] : peers.nodes) {
    node.on_read = [peer = &node, &shard] {
      if (peer->asked.size() >= 4) peer->failures.erase(shard);
    };
  }
  ASSERT_TRUE(data->count("docs", std::nullopt, {Consistency::kPrimary, {}, in(std::chrono::minutes(1))}));
  for (const auto& other : shards()) {
    if (other == shard) continue;
    const auto& asked = primary(other).asked;
    EXPECT_EQ(std::count(asked.begin(), asked.end(), other), 1);
  }
}

TEST_F(ReadCoordinatorTest, ASearchWaitsToo_UnlessItTakesWhatIsThere) {
  const auto shard = followed_here();
  cut_off(shard);
  auto wanted = query();
  wanted.deadline = in(std::chrono::minutes(1));
  wanted.allow_partial = true;
  const auto partial = data->search("docs", wanted);
  ASSERT_TRUE(partial);
  ASSERT_EQ(partial->failures.size(), 1U);
  EXPECT_EQ(partial->failures[0].shard, shard);

  std::mutex mutex;
  for (auto& [id, node] : peers.nodes) {
    node.on_search = [&mutex, peer = &node, &shard, calls = 0](const SearchQuery&) mutable {
      const std::lock_guard lock(mutex);
      if (++calls == 5) peer->failures.erase(shard);
    };
  }
  wanted.allow_partial = false;
  wanted.consistency = Consistency::kPrimary;
  EXPECT_TRUE(data->search("docs", wanted));
}

TEST_F(ReadCoordinatorTest, AShardThatIsGoneIsNotWaitedForByEveryRead) {
  const auto shard = followed_here();
  cut_off(shard);
  const auto asks = [&](std::chrono::milliseconds time) {
    const auto before = calls();
    const auto count = data->count("docs", std::nullopt, {Consistency::kPrimary, {}, in(time)});
    EXPECT_TRUE(!count && count.error().type == ErrorType::kShardUnavailable);
    return calls() - before;
  };
  EXPECT_GT(asks(std::chrono::milliseconds(500)), 3U);
  EXPECT_EQ(asks(std::chrono::milliseconds(200)), 3U);  // it has been out for longer: each primary is asked once
}

TEST_F(ReadCoordinatorTest, WhatNoOtherCopyWouldAnswerIsNotWaitedFor) {
  for (auto& [id, node] : peers.nodes) node.failures.emplace(followed_here(), Error{ErrorType::kSessionLost, "lost"});
  const ReadFrom from{Consistency::kPrimary, {}, in(std::chrono::minutes(1))};
  EXPECT_EQ(data->count("docs", std::nullopt, from).error().type, ErrorType::kSessionLost);
  EXPECT_EQ(calls(), 3U);
}

TEST(Outages, AreTimedFromTheFirstRequestThatFindsThem) {
  Outages outages;
  const auto start = Outages::Clock::now();
  using std::chrono::seconds;
  EXPECT_EQ(outages.failed(ShardId(1), start), seconds(0));
  EXPECT_EQ(outages.failed(ShardId(1), start + seconds(1)), seconds(1));
  EXPECT_EQ(outages.failed(ShardId(2), start + seconds(1)), seconds(0));
  EXPECT_EQ(outages.failed(ShardId(1), start + seconds(3)), seconds(3));
  EXPECT_EQ(outages.failed(ShardId(1), start + seconds(6)), seconds(0));  // nobody found it out meanwhile: a new one
}

TEST_F(ReadCoordinatorTest, TheDeadlineEndsARead) {
  const ReadFrom late{Consistency::kAny, {}, Deadline(Deadline::Clock::now() - std::chrono::seconds(1), 20)};
  EXPECT_EQ(data->count("docs", std::nullopt, late).error().type, ErrorType::kTimeout);
}

}  // namespace
}  // namespace vectorizer::coordinator::testing
