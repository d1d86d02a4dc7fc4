#include <gtest/gtest.h>

#include <map>
#include <vector>

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

TEST(Metadata, ACollectionKeepsWhatItsDataWasMadeWith) {
  const auto metadata = *apply(cluster_of(2), CreateCollection{collection("docs", 2, 2), 0});
  const auto before = metadata.find("docs")->config;
  auto allowed = before;
  allowed.hnsw.ef_search = 32;
  EXPECT_TRUE(apply(metadata, AlterCollection{before, allowed}));
  std::vector<CollectionConfig> refused(5, before);
  refused[0].name = "other";
  refused[1].dimension = 5;
  refused[2].metric = Metric::kDot;
  refused[3].sharding.shard_count = 3;
  refused[4].sharding.virtual_nodes_per_shard = 7;
  for (const auto& wanted : refused) EXPECT_FALSE(apply(metadata, AlterCollection{before, wanted}));
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

/// As format 1 was written, by a single node and before it had opened all copies.
constexpr auto kFormat1 =
    R"({"collections":[{"config":{"dimension":4,"hnsw":{"ef_construction":200,"ef_search":64,"m":16},"metric":"cosine",)"
    R"("name":"docs","quantization":{"rescore":true,"type":"none"},"sharding":{"min_in_sync":1,"rebalance_threshold":0.2,)"
    R"("replication_factor":1,"shard_count":2,"virtual_nodes_per_shard":100},"storage":"memory"},)"
    R"("created_at_ms":1234567890123,"ring_version":1,"shards":[3,4]}],"epoch":9,"format":1,"next_shard_id":5,"nodes":[)"
    R"({"address":"127.0.0.1","grpc_port":15003,"id":"node-1","rest_port":15002}],"placements":[{"collection":"docs",)"
    R"("in_sync":["node-1"],"isr_version":1,"primary":"node-1","replicas":["node-1"],"shard":3,"term":1},)"
    R"({"collection":"docs","in_sync":[],"isr_version":0,"primary":"node-1","replicas":["node-1"],"shard":4,"term":1}]})";

TEST(MetadataCodec, Format1OfASingleNodeStillLoads) {
  const auto metadata = decode_metadata(kFormat1);

  ASSERT_TRUE(metadata) << metadata.error().message;
  EXPECT_EQ(metadata->epoch, 9U);
  EXPECT_EQ(metadata->next_copy_id, 3U);
  EXPECT_FALSE(metadata->forming());
  const auto& node = metadata->nodes.at(NodeId("node-1"));
  EXPECT_EQ(node, (NodeRecord{NodeId("node-1"), "127.0.0.1", 15003, 15002}));
  EXPECT_EQ(node.status, NodeStatus::kActive);
  ASSERT_NE(metadata->find("docs"), nullptr);
  const auto& open = metadata->placements.at(ShardId(3));
  EXPECT_TRUE(open.open());
  EXPECT_EQ(open.copies, (std::vector<CopyRecord>{{1, NodeId("node-1"), CopyRole::kInSync, ""}}));
  EXPECT_EQ(metadata->placements.at(ShardId(4)).copies.front().role, CopyRole::kInit);
  const auto opened = cluster::apply(*metadata, OpenCopy{ShardId(4), 1, 0, NodeId("node-1")});
  ASSERT_TRUE(opened);

  const auto again = decode_metadata(encode_metadata(*opened));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->placements, opened->placements);
}

TEST(MetadataCodec, ShardsWithoutAPlaceAndPlacesWithoutACollectionAreDamage) {
  const std::string bytes = kFormat1;
  const auto with = [&](const std::string& old, const std::string& replacement) {
    const auto at = bytes.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    return std::string(bytes).replace(at, old.size(), replacement);
  };
  EXPECT_FALSE(decode_metadata(with(R"("shards":[3,4])", R"("shards":[3,5])")));
  EXPECT_FALSE(decode_metadata(with(R"({"collection":"docs","in)", R"({"collection":"other","in)")));
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
