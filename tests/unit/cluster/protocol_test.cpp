#include "vectorizer/model/protocol.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/cluster/metadata_records.hpp"

namespace vectorizer::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const auto kNamesBoth = AllOf(HasSubstr("speaks protocol 99"), HasSubstr("this build knows 2"));

TEST(Protocol, ABuildThatDoesNotKnowItStops) {
  ClusterMetadata metadata;
  metadata.cluster_id = "c-1";
  metadata.protocol = 99;
  EXPECT_THAT(decode_metadata(encode_metadata(metadata)).error().message, kNamesBoth);
  std::vector<std::pair<std::string, std::string>> records;
  for (auto& change : changed_records(ClusterMetadata{}, metadata)) records.emplace_back(change.key, *change.value);
  EXPECT_THAT(decode_records(records).error().message, kNamesBoth);
  // Nor does it go on without a command of the log that it cannot follow.
  EXPECT_THAT(decode_command(encode_command(RaiseProtocol{99})).error().message, kNamesBoth);
  EXPECT_FALSE(decode_command(encode_command(RaiseProtocol{0})));
}

TEST(Protocol, WhatWasWrittenBeforeThereWereSomeIsOfTheFirst) {
  ClusterMetadata metadata;
  metadata.cluster_id = "c-1";
  metadata.nodes[NodeId("node-1")].id = NodeId("node-1");
  const auto written = encode_metadata(metadata);
  EXPECT_THAT(written, ::testing::Not(HasSubstr("protocol")));
  const auto read = decode_metadata(written);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->protocol, kFirstProtocol);
  EXPECT_EQ(read->nodes.at(NodeId("node-1")).protocol, kFirstProtocol);
  EXPECT_FALSE(read->speaks(kProtocolWithResults));
}

TEST(Protocol, ASingleNodeSpeaksWhatItKnows) {
  EXPECT_TRUE(ClusterMetadata{}.speaks(known_protocol()));
}

}  // namespace
}  // namespace vectorizer::cluster
