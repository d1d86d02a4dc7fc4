#include "vectorizer/node/local_node.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "testing/memory_database.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"

namespace vectorizer::node {
namespace {

/// A node on a database in memory that survives `restart()`.
class LocalNodeTest : public ::testing::Test {
 protected:
  LocalNodeTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "local_node_XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    restart();
  }
  ~LocalNodeTest() override {
    node_.reset();
    std::filesystem::remove_all(directory_);
  }

  /// @param follow false: the test says itself which metadata the node sees first
  void restart(bool follow = true) {
    node_.reset();
    metadata_ = std::move(*consensus::open_single_node_metadata_log(database_, {self_, "127.0.0.1", 15003, 15002}));
    registry_ = std::make_unique<MetricsRegistry>();
    LocalNodeOptions options;
    options.self = self_;
    options.data_dir = directory_;
    options.index_threads = 2;
    options.graph_threshold = 50;
    node_ = make_local_node(options, database_, *metadata_, *registry_);
    if (follow) metadata_->observe([this](const auto& metadata) { node_->reconcile(metadata); });
  }

  void create(const std::string& name, std::uint32_t shards) {
    CollectionConfig config;
    config.name = name;
    config.dimension = 2;
    config.sharding.shard_count = shards;
    ASSERT_TRUE(metadata_->propose(cluster::CreateCollection{config, 0}));
  }

  /// Upserts id with vector (id, 1) through the shard that owns it.
  bool upsert(const std::string& name, std::uint64_t id) {
    const auto now = metadata_->current();
    const auto* record = now->find(name);
    WriteOp op;
    op.id = PointId(id);
    op.vector = {static_cast<float>(id), 1.0F};
    std::vector<peer::ShardWrite> writes;
    writes.push_back({record->shard_of(op.id), 1, {op}});
    const auto replies = node_->write(std::move(writes));
    return replies.size() == 1 && replies.front().outcomes;
  }

  Result<std::uint64_t> count(const ShardId& shard, const ReadFrom& from = {}) {
    return std::move(node_->count({&shard, 1}, std::nullopt, from).at(0).answer);
  }
  std::uint64_t count(const std::string& name) {
    std::uint64_t total = 0;
    for (const auto& shard : metadata_->current()->find(name)->shards) total += *count(shard);
    return total;
  }

  const NodeId self_{"node-1"};
  std::filesystem::path directory_;
  testing::MemoryDatabase database_;
  std::unique_ptr<MetricsRegistry> registry_;
  std::unique_ptr<cluster::MetadataLog> metadata_;
  std::unique_ptr<LocalNode> node_;
};

TEST_F(LocalNodeTest, MetadataOfThePastDropsNothing) {
  const auto before = metadata_->current();
  create("docs", 2);
  const auto created = metadata_->current();
  ASSERT_TRUE(upsert("docs", 1));
  const auto shard = created->find("docs")->shard_of(PointId(std::uint64_t{1}));
  restart(false);
  node_->reconcile(before);  // as a log is read from its beginning
  node_->reconcile(metadata_->current());
  const auto counted = count(shard);
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_EQ(*counted, 1U);
}

TEST_F(LocalNodeTest, ACreatedCollectionIsServedAndItsCopiesAreInSync) {
  create("docs", 3);

  EXPECT_TRUE(node_->problems().empty());
  for (const auto& [shard, placement] : metadata_->current()->placements) {
    EXPECT_EQ(placement.in_sync(), std::vector<NodeId>{self_});
  }
  EXPECT_TRUE(upsert("docs", 7));
  EXPECT_EQ(count("docs"), 1U);
}

TEST_F(LocalNodeTest, ARestartFindsTheSamePoints) {
  create("docs", 2);
  for (std::uint64_t id = 0; id < 200; ++id) ASSERT_TRUE(upsert("docs", id));
  node_->stop();
  restart();

  EXPECT_EQ(count("docs"), 200U);
}

TEST_F(LocalNodeTest, OnlyWhatASessionCannotHaveWrittenHereIsLost) {
  create("docs", 1);
  for (std::uint64_t id = 1; id <= 4; ++id) ASSERT_TRUE(upsert("docs", id));
  const auto shard = metadata_->current()->find("docs")->shards[0];
  const auto term = metadata_->current()->placements.at(shard).term;
  const auto read = [&](const ShardId& of, std::uint64_t sequence, std::uint64_t in_term) {
    return count(shard, {Consistency::kAny, {{of, {.sequence = sequence, .term = in_term}}}, {}});
  };
  EXPECT_EQ(*read(shard, 4, term), 4U);
  EXPECT_TRUE(read(ShardId(99), 500, 9));  // of another collection
  for (const auto& lost : {read(shard, 5, term), read(shard, 1, term + 1)}) {
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().type, ErrorType::kSessionLost);
    EXPECT_EQ(lost.error().details, "{\"shard_id\":" + std::to_string(shard.value()) + "}");
  }
  const ReadFrom late{Consistency::kPrimary, {}, Deadline(Deadline::Clock::now() - std::chrono::seconds(1), 10)};
  EXPECT_EQ(count(shard, late).error().type, ErrorType::kTimeout);
}

TEST_F(LocalNodeTest, DroppingACollectionDropsItsDataForGood) {
  create("docs", 2);
  ASSERT_TRUE(upsert("docs", 1));
  ASSERT_TRUE(metadata_->propose(cluster::DropCollection{"docs"}));
  EXPECT_EQ(database_.stores(), 0U);

  create("docs", 2);

  EXPECT_EQ(count("docs"), 0U);
}

TEST_F(LocalNodeTest, ACopyThatTheDiskLostIsNeverCreatedAgainAsAnEmptyOne) {
  create("docs", 1);
  ASSERT_TRUE(upsert("docs", 1));
  ASSERT_TRUE(database_.delete_local("copy/0"));
  restart();

  ASSERT_EQ(node_->problems().size(), 1U);
  EXPECT_NE(node_->problems().front().find("docs"), std::string::npos);
  const auto answer = count(ShardId(0));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().type, ErrorType::kShardUnavailable);
}

TEST_F(LocalNodeTest, WhatTheBackgroundWorkOfAShardFailsAtIsAWarning) {
  create("docs", 1);
  EXPECT_TRUE(node_->warnings().empty());
  database_.set_full(true);
  for (std::uint64_t id = 0; id < 100; ++id) ASSERT_TRUE(upsert("docs", id));

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (node_->warnings().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();

  EXPECT_TRUE(node_->problems().empty()) << "it serves all the same";
  ASSERT_EQ(node_->warnings().size(), 1U);
  EXPECT_NE(node_->warnings().front().find("shard 0: the index was not saved"), std::string::npos);
}

TEST_F(LocalNodeTest, ADamagedListOfCopiesIsAProblemUntilItCanBeRead) {
  ASSERT_TRUE(database_.put_local("copy-next", "many"));
  restart();
  EXPECT_EQ(node_->problems().size(), 1U);

  ASSERT_TRUE(database_.put_local("copy-next", "1"));
  create("docs", 1);

  EXPECT_TRUE(node_->problems().empty());
  EXPECT_TRUE(upsert("docs", 1));
}

TEST_F(LocalNodeTest, AShardThatIsNotHereSaysSo) {
  const std::vector<ShardId> shards{ShardId(99)};
  SearchQuery query;
  query.vector = {1, 2};

  const auto replies = node_->search(shards, query);

  ASSERT_EQ(replies.size(), 1U);
  ASSERT_FALSE(replies.front().hits);
  EXPECT_NE(replies.front().hits.error().message.find("Shard not found or not assigned"), std::string::npos);
}

TEST_F(LocalNodeTest, MetadataThatCouldNotBeStoredIsNotServed) {
  CollectionConfig config;
  config.name = "docs";
  config.dimension = 2;
  database_.fail_local_writes(true);

  EXPECT_FALSE(metadata_->propose(cluster::CreateCollection{config, 0}));
  EXPECT_EQ(metadata_->current()->find("docs"), nullptr);
}

TEST_F(LocalNodeTest, WritersReadersAndDropsRunSideBySide) {
  create("keep", 3);
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t writer = 0; writer < 3; ++writer) {
    threads.emplace_back([&, writer] {
      for (std::uint64_t i = 0; i < 150; ++i) {
        if (!upsert("keep", writer * 1000 + i)) ++failures;
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      SearchQuery query;
      query.vector = {3, 1};
      for (const auto& reply : node_->search(metadata_->current()->find("keep")->shards, query)) {
        if (!reply.hits) ++failures;
      }
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; i < 20; ++i) {
      create("other", 2);
      if (!metadata_->propose(cluster::DropCollection{"other"})) ++failures;
    }
  });
  for (std::size_t i = 0; i < threads.size(); ++i) {
    if (i != 3) threads[i].join();
  }
  done = true;
  threads[3].join();

  EXPECT_EQ(failures, 0);
  EXPECT_EQ(count("keep"), 450U);
  EXPECT_EQ(database_.stores(), 3U);
}

TEST_F(LocalNodeTest, ADigestIsThatOfTheContent) {
  create("docs", 1);
  const ShardId shard(0);
  ASSERT_TRUE(upsert("docs", 1));
  ASSERT_TRUE(upsert("docs", 2));
  const auto two = node_->digest(shard);
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->points, 2U);
  EXPECT_EQ(two->sequence, 2U);
  restart();
  EXPECT_EQ(*node_->digest(shard), *two);
  ASSERT_TRUE(upsert("docs", 2));  // the same content, by a later operation
  const auto again = node_->digest(shard);
  EXPECT_EQ(again->points, 2U);
  EXPECT_EQ(again->sequence, 3U);
  EXPECT_NE(std::tie(again->high, again->low), std::tie(two->high, two->low));
  EXPECT_EQ(node_->digest(ShardId(9)).error().type, ErrorType::kShardUnavailable);
}

}  // namespace
}  // namespace vectorizer::node
