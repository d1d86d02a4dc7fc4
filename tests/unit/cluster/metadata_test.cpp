#include <gtest/gtest.h>

#include <map>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {
namespace {

CollectionConfig collection(const std::string& name, std::uint32_t shards, std::uint32_t copies) {
  CollectionConfig config;
  config.name = name;
  config.dimension = 4;
  config.sharding.shard_count = shards;
  config.sharding.replication_factor = copies;
  return config;
}

ClusterMetadata cluster_of(int nodes) {
  ClusterMetadata metadata;
  for (int i = 1; i <= nodes; ++i) {
    metadata = *apply(metadata, UpsertNode{{NodeId("node-" + std::to_string(i)), "127.0.0.1", 15003, 15002}});
  }
  return metadata;
}

TEST(Metadata, SixShardsOnThreeNodesGiveTwoPrimariesEachAtAnyReplicationFactor) {
  for (std::uint32_t copies = 1; copies <= 3; ++copies) {
    const auto metadata = *apply(cluster_of(3), CreateCollection{collection("docs", 6, copies), 0});

    std::map<NodeId, int> primaries, held;
    for (const auto& [shard, placement] : metadata.placements) {
      ++primaries[placement.primary];
      ASSERT_EQ(placement.copies.size(), copies);
      for (const auto& node : placement.replicas()) ++held[node];
    }
    for (const auto& [node, count] : primaries) EXPECT_EQ(count, 2) << node.value() << " factor " << copies;
    for (const auto& [node, count] : held) EXPECT_EQ(count, 2 * static_cast<int>(copies)) << node.value();
  }
}

TEST(Metadata, ShardIdsAreNeverGivenOutTwice) {
  auto metadata = *apply(cluster_of(1), CreateCollection{collection("a", 3, 1), 0});
  metadata = *apply(metadata, DropCollection{"a"});
  metadata = *apply(metadata, CreateCollection{collection("a", 2, 1), 0});

  EXPECT_EQ(metadata.find("a")->shards, (std::vector<ShardId>{ShardId(3), ShardId(4)}));
  EXPECT_EQ(metadata.placements.size(), 2U);
}

TEST(Metadata, ARefusedCommandSaysWhy) {
  const auto metadata = *apply(cluster_of(1), CreateCollection{collection("a", 1, 1), 0});

  EXPECT_EQ(apply(metadata, CreateCollection{collection("a", 1, 1), 0}).error().type,
            ErrorType::kCollectionAlreadyExists);
  EXPECT_EQ(apply(metadata, CreateCollection{collection("b", 1, 2), 0}).error().type, ErrorType::kValidation);
  EXPECT_EQ(apply(metadata, DropCollection{"b"}).error().type, ErrorType::kCollectionNotFound);
  EXPECT_EQ(apply(metadata, AlterCollection{collection("a", 7, 1), collection("a", 1, 1)}).error().type,
            ErrorType::kConflict);
  EXPECT_EQ(apply(metadata, OpenCopy{ShardId(9), 1, 0, NodeId("node-1")}).error().type, ErrorType::kShardUnavailable);
}

TEST(Metadata, ACopyOpensOnceAndOnlyAtTheVersionItSaw) {
  const auto metadata = *apply(cluster_of(1), CreateCollection{collection("a", 1, 1), 0});
  const NodeId node("node-1");

  EXPECT_FALSE(apply(metadata, OpenCopy{ShardId(0), 2, 0, node}));
  EXPECT_FALSE(apply(metadata, OpenCopy{ShardId(0), 1, 1, node}));
  const auto opened = apply(metadata, OpenCopy{ShardId(0), 1, 0, node});
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->placements.at(ShardId(0)).in_sync(), std::vector<NodeId>{node});
  EXPECT_FALSE(apply(*opened, OpenCopy{ShardId(0), 1, 1, node})) << "an in-sync set never grows by an empty copy";
}

TEST(Metadata, EveryChangeHasALargerEpoch) {
  const auto before = cluster_of(2);
  const auto after = *apply(before, CreateCollection{collection("a", 1, 1), 0});

  EXPECT_EQ(after.epoch, before.epoch + 1);
}

TEST(MetadataCodec, RoundTripsAndItsDigestTellsContentsApart) {
  auto metadata = *apply(cluster_of(3), CreateCollection{collection("docs", 6, 2), 1234567890123});
  metadata = *apply(metadata, OpenCopy{ShardId(0), 1, 0, metadata.placements.at(ShardId(0)).primary});

  const auto decoded = decode_metadata(encode_metadata(metadata));

  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(encode_metadata(*decoded), encode_metadata(metadata));
  EXPECT_EQ(decoded->placements, metadata.placements);
  EXPECT_EQ(decoded->find("docs")->config, metadata.find("docs")->config);
  EXPECT_EQ(metadata_digest(*decoded), metadata_digest(metadata));
  EXPECT_NE(metadata_digest(cluster_of(3)), metadata_digest(metadata));
}

TEST(MetadataCodec, DamageIsAnErrorNeverAnEmptyCluster) {
  const auto bytes = encode_metadata(*apply(cluster_of(1), CreateCollection{collection("docs", 2, 1), 0}));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_metadata(bytes.substr(0, length))) << length;
  }
  EXPECT_FALSE(decode_metadata("{}"));
  EXPECT_FALSE(decode_metadata(R"({"format":3})"));
}

TEST(MetadataCodec, NumbersThatDoNotFitAndListsThatAreNoneAreDamage) {
  const auto bytes = encode_metadata(*apply(cluster_of(1), CreateCollection{collection("docs", 1, 1), 0}));
  const auto with = [&](const std::string& old, const std::string& replacement) {
    const auto at = bytes.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    return std::string(bytes).replace(at, old.size(), replacement);
  };
  ASSERT_TRUE(decode_metadata(with("15003", "15004")));
  for (const auto* port : {"70000", "-1", "1e300", "15003.5", "\"15003\"", "null"}) {
    EXPECT_FALSE(decode_metadata(with("15003", port))) << port;
  }
  EXPECT_FALSE(decode_metadata(with("\"epoch\":2", "\"epoch\":-2")));
  EXPECT_FALSE(decode_metadata(with("\"epoch\":2", "\"epoch\":1e30")));
  EXPECT_FALSE(decode_metadata(with("\"format\":2", "\"format\":4294967298")));
  EXPECT_FALSE(decode_metadata(with("\"shards\":[0]", "\"shards\":0")));
  for (const auto* nothing : {"null", "{}"}) {
    const std::string list(nothing);
    EXPECT_FALSE(decode_metadata(
        R"({"collections":[],"epoch":1,"format":1,"next_shard_id":0,"placements":[],"nodes":)" + list + "}"))
        << list;
  }
}

}  // namespace
}  // namespace vectorizer::cluster
