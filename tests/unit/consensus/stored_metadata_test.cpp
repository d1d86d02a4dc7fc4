#include <gtest/gtest.h>

#include "raft_cluster.hpp"

namespace vectorizer::consensus {
namespace {

using testing::node_command;
using testing::RaftCluster;

TEST(StoredMetadata, ACheckpointOfALogThatRunsComesToWhatWasDecidedByThen) {
  RaftCluster cluster;
  ASSERT_NO_FATAL_FAILURE(cluster.begin(7, {}));
  auto& log = cluster.log(7);
  for (const char* name : {"node-1", "node-2", "node-3"}) ASSERT_TRUE(log.propose(node_command(name, "1")));
  ASSERT_FALSE(log.propose(cluster::DropCollection{"absent"})) << "refused, and refused again when it is read";
  const auto then = *log.current();
  const auto options = cluster.options(7);
  auto copy = options;
  copy.directory = options.directory.parent_path() / "copy";
  std::filesystem::create_directories(copy.directory);

  const auto made = log.checkpoint(copy.directory / "store");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(log.propose(node_command("node-4", "1")));

  const auto stored = read_stored_metadata(copy);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(cluster::encode_metadata(stored->metadata), cluster::encode_metadata(then));
  EXPECT_GE(stored->index, 2U + 3U);
  EXPECT_GE(stored->term, 1U);
  EXPECT_FALSE(log.checkpoint(copy.directory / "store")) << "it is there already";

  copy.raft_id = 8;
  EXPECT_FALSE(read_stored_metadata(copy)) << "the store of another member";
  copy.directory = options.directory.parent_path() / "empty";
  const auto nothing = read_stored_metadata(copy);
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->index, 0U);
}

}  // namespace
}  // namespace vectorizer::consensus
