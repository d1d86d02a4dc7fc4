#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/cluster/metadata_records.hpp"

namespace vectorizer::cluster {
namespace {

TEST(CommandCodec, AVersionOrKindThatIsNotKnownIsNamed) {
  const auto bytes = encode_command(DropCollection{"docs"});
  EXPECT_EQ(bytes, R"({"kind":"drop_collection","name":"docs","version":1})");

  const auto newer = decode_command(R"({"kind":"drop_collection","name":"docs","version":7})");
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("version 7"), std::string::npos) << newer.error().message;

  const auto other = decode_command(R"({"kind":"melt","name":"docs","version":1})");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("'melt'"), std::string::npos) << other.error().message;
}

TEST(CommandCodec, DamageIsAnError) {
  const auto bytes = encode_command(Promote{ShardId(3), 1, 4, NodeId("node-2")});
  ASSERT_TRUE(decode_command(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_command(bytes.substr(0, length))) << length;
  }
  EXPECT_FALSE(decode_command("[]"));
  EXPECT_FALSE(decode_command("null"));
  EXPECT_FALSE(decode_command(R"({"kind":"promote","version":1})"));
  EXPECT_FALSE(decode_command(R"({"kind":7,"version":1})"));
}

TEST(CommandCodec, WhatIsLeftToTheClusterStaysSo) {
  CollectionConfig config;
  config.name = "docs";
  config.dimension = 4;
  config.sharding.replication_factor = 0;
  config.sharding.min_in_sync = 0;

  const auto decoded = decode_command(encode_command(CreateCollection{config, 5}));

  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::get<CreateCollection>(*decoded).config, config);
}

TEST(CommandCodec, ANodeKeepsEverythingThatItSaysOfItself) {
  const NodeRecord node{NodeId("node-1"), "host", 1, 2, "uuid", 0xfedcba9876543210U, NodeStatus::kJoining, 7, 8, "1.2"};

  const auto decoded = decode_command(encode_command(UpsertNode{node, 9}));

  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::get<UpsertNode>(*decoded).node, node);
  EXPECT_EQ(std::get<UpsertNode>(*decoded).replaces, 9U);
}

/// What the fuzzer starts from must be worth starting from.
TEST(FuzzerSeeds, DecodeAndApply) {
  const auto directory = std::filesystem::path(VECTORIZER_SOURCE_DIR) / "tests/fuzz/corpus/cluster_fuzz";
  const auto lines_of = [&](const char* name) {
    std::ifstream file(directory / name);
    EXPECT_NE(file.get(), EOF) << name;  // chooses the decoder
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  };
  const auto whole = lines_of("metadata");
  ASSERT_EQ(whole.size(), 1U);
  const auto metadata = decode_metadata(whole.front());
  ASSERT_TRUE(metadata) << metadata.error().message;

  std::vector<std::pair<std::string, std::string>> records;
  for (const auto& line : lines_of("records")) {
    records.emplace_back(line.substr(0, line.find('\t')), line.substr(line.find('\t') + 1));
  }
  const auto same = decode_records(records);
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(encode_metadata(*same), encode_metadata(*metadata));

  ClusterMetadata made;
  for (const auto& line : lines_of("commands")) {
    const auto command = decode_command(line);
    ASSERT_TRUE(command) << command.error().message;
    const auto next = cluster::apply(made, *command);
    ASSERT_TRUE(next) << line << ": " << next.error().message;
    made = *next;
  }
}

}  // namespace
}  // namespace vectorizer::cluster
