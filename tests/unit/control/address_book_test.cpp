#include "address_book.hpp"

#include <gmock/gmock.h>

#include <tuple>

namespace vectorizer::control {
namespace {

using ::testing::ElementsAre;

class AddressBookTest : public ::testing::Test {
 protected:
  using Change = std::tuple<std::string, std::uint64_t, std::string>;
  static cluster::ClusterMetadata with(std::uint64_t raft_id, const std::string& address) {
    cluster::NodeRecord node;
    node.id = NodeId("a");
    node.raft_id = raft_id;
    node.address = address;
    node.grpc_port = 15003;
    cluster::ClusterMetadata metadata;
    metadata.nodes[node.id] = node;
    return metadata;
  }

  std::vector<Change> changes_;
  AddressBook book_{[this](const NodeId& node, std::uint64_t raft_id, const std::string& endpoint) {
    changes_.emplace_back(node.value(), raft_id, endpoint);
  }};
};

TEST_F(AddressBookTest, WhatAProcessSaysItselfOutlastsARecordThatDidNotChange) {
  book_.update(with(1, "old"));
  book_.met(NodeId("a"), 1, "new:15003");
  book_.update(with(1, "old"));
  EXPECT_EQ(book_.endpoint_of(1), "new:15003");
  EXPECT_THAT(changes_, ElementsAre(Change{"a", 1, "old:15003"}, Change{"a", 1, "new:15003"}));
}

TEST_F(AddressBookTest, AWipedNodeIsAnotherProcessAlsoAtTheSameAddress) {
  book_.met(NodeId("a"), 2, "host:15003");
  book_.update(with(1, "host"));  // as the log is read from its beginning
  book_.update(with(2, "host"));
  ASSERT_FALSE(changes_.empty());
  EXPECT_EQ(changes_.back(), Change("a", 2, "host:15003"));
}

}  // namespace
}  // namespace vectorizer::control
