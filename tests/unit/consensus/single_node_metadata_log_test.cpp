#include "vectorizer/consensus/single_node_metadata_log.hpp"

#include <gtest/gtest.h>

#include <string>

#include "testing/memory_database.hpp"

namespace vectorizer::consensus {
namespace {

using cluster::CreateCollection;
using cluster::DropCollection;
using cluster::OpenCopy;

const NodeId kSelf("node-1");

/// As earlier versions stored it.
constexpr auto kWhole =
    R"({"collections":[{"config":{"dimension":4,"hnsw":{"ef_construction":200,"ef_search":64,"m":16},"metric":"cosine",)"
    R"("name":"docs","quantization":{"rescore":true,"type":"none"},"sharding":{"min_in_sync":1,"rebalance_threshold":0.2,)"
    R"("replication_factor":1,"shard_count":1,"virtual_nodes_per_shard":100},"storage":"memory"},)"
    R"("created_at_ms":5,"ring_version":1,"shards":[3]}],"epoch":9,"format":1,"next_shard_id":4,"nodes":[)"
    R"({"address":"127.0.0.1","grpc_port":15003,"id":"node-1","rest_port":15002}],"placements":[{"collection":"docs",)"
    R"("in_sync":["node-1"],"isr_version":1,"primary":"node-1","replicas":["node-1"],"shard":3,"term":1}]})";

class SingleNodeMetadataLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<cluster::MetadataLog> open() {
    auto log = open_single_node_metadata_log(database_, {kSelf, "127.0.0.1", 15003, 15002});
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  static CreateCollection create(const std::string& name, std::uint32_t shards = 1) {
    CreateCollection command;
    command.config.name = name;
    command.config.dimension = 4;
    command.config.sharding.shard_count = shards;
    return command;
  }
  std::map<std::string, std::string> records() const {
    const auto listed = database_.list_local("");
    return {listed->begin(), listed->end()};
  }

  testing::MemoryDatabase database_;
};

TEST_F(SingleNodeMetadataLogTest, WhatWasDecidedIsThereAfterARestart) {
  auto log = open();
  ASSERT_TRUE(log->propose(create("a", 3)));
  ASSERT_TRUE(log->propose(create("b")));
  ASSERT_TRUE(log->propose(OpenCopy{ShardId(1), 1, 0, kSelf}));
  ASSERT_TRUE(log->propose(DropCollection{"b"}));
  const auto before = cluster::encode_metadata(*log->current());
  log.reset();

  EXPECT_EQ(cluster::encode_metadata(*open()->current()), before);
}

TEST_F(SingleNodeMetadataLogTest, AChangeWritesTheHeadAndTheCollectionThatItChanges) {
  auto log = open();
  ASSERT_TRUE(log->propose(create("a", 2)));
  ASSERT_TRUE(log->propose(create("b")));
  const auto before = records();

  ASSERT_TRUE(log->propose(OpenCopy{ShardId(0), 1, 0, kSelf}));

  const auto after = records();
  EXPECT_EQ(after.size(), before.size());
  EXPECT_NE(after.at("metadata/head"), before.at("metadata/head"));
  EXPECT_NE(after.at("metadata/collection/a"), before.at("metadata/collection/a"));
  EXPECT_EQ(after.at("metadata/collection/b"), before.at("metadata/collection/b"));
}

TEST_F(SingleNodeMetadataLogTest, ADroppedCollectionLeavesNoRecord) {
  auto log = open();
  const auto before = records();
  ASSERT_TRUE(log->propose(create("a", 2)));
  ASSERT_TRUE(log->propose(DropCollection{"a"}));

  EXPECT_EQ(records().size(), before.size());
}

TEST_F(SingleNodeMetadataLogTest, AChangeThatCouldNotBeStoredDoesNotHold) {
  auto log = open();
  ASSERT_TRUE(log->propose(create("a")));
  const auto before = cluster::encode_metadata(*log->current());
  database_.fail_local_writes(true);

  EXPECT_FALSE(log->propose(DropCollection{"a"}));

  EXPECT_EQ(cluster::encode_metadata(*log->current()), before);
  database_.fail_local_writes(false);
  log.reset();
  EXPECT_EQ(cluster::encode_metadata(*open()->current()), before);
}

TEST_F(SingleNodeMetadataLogTest, TheOneValueOfEarlierVersionsBecomesRecords) {
  ASSERT_TRUE(database_.put_local("cluster/metadata", kWhole));

  auto log = open();

  ASSERT_NE(log->current()->find("docs"), nullptr);
  EXPECT_EQ(log->current()->placements.at(ShardId(3)).in_sync(), std::vector<NodeId>{kSelf});
  EXPECT_EQ(records().count("cluster/metadata"), 0U);
  EXPECT_EQ(records().count("metadata/collection/docs"), 1U);
  const auto before = cluster::encode_metadata(*log->current());
  log.reset();
  EXPECT_EQ(cluster::encode_metadata(*open()->current()), before);
}

TEST_F(SingleNodeMetadataLogTest, AMigrationThatCouldNotBeStoredLeavesTheOldForm) {
  ASSERT_TRUE(database_.put_local("cluster/metadata", kWhole));
  database_.fail_local_writes(true);

  EXPECT_FALSE(open_single_node_metadata_log(database_, {kSelf, "127.0.0.1", 15003, 15002}));

  database_.fail_local_writes(false);
  EXPECT_EQ(records().at("cluster/metadata"), kWhole);
  EXPECT_NE(open()->current()->find("docs"), nullptr);
}

TEST_F(SingleNodeMetadataLogTest, LostOrDamagedRecordsEndTheStart) {
  auto log = open();
  ASSERT_TRUE(log->propose(create("a")));
  ASSERT_TRUE(log->propose(create("b")));
  log.reset();
  for (const auto& [key, value] : records()) {
    SCOPED_TRACE(key);
    ASSERT_TRUE(database_.delete_local(key));
    EXPECT_FALSE(open_single_node_metadata_log(database_, {kSelf, "127.0.0.1", 15003, 15002}));
    ASSERT_TRUE(database_.put_local(key, value.substr(0, value.size() / 2)));
    EXPECT_FALSE(open_single_node_metadata_log(database_, {kSelf, "127.0.0.1", 15003, 15002}));
    ASSERT_TRUE(database_.put_local(key, value));
  }
  EXPECT_EQ(open()->current()->collections.size(), 2U);
}

TEST_F(SingleNodeMetadataLogTest, DataOfAnotherNodeIsRefused) {
  open();

  EXPECT_FALSE(open_single_node_metadata_log(database_, {NodeId("node-2"), "127.0.0.1", 15003, 15002}));
}

}  // namespace
}  // namespace vectorizer::consensus
