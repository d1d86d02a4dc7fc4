#include "node_snapshots.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"

namespace vectorizer::node {
namespace {

namespace fs = std::filesystem;
using Kind = peer::SnapshotOrder::Kind;
using peer::SnapshotState;

/// Snapshots of a real database.
class NodeSnapshotsTest : public ::testing::Test {
 protected:
  NodeSnapshotsTest() {
    std::string pattern = (fs::temp_directory_path() / "node-snapshots-XXXXXX").string();
    options.data_dir = ::mkdtemp(pattern.data());
    options.directory = options.data_dir / "snapshots";
    options.node = NodeId("node-1");
    options.version = "1.2.3";
    storage::DatabaseOptions database_options;
    database_options.directory = options.data_dir / "db";
    database_options.min_free_bytes = 0;
    database = *storage::open_database(database_options, metrics);
    metadata = *consensus::open_single_node_metadata_log(*database, {options.node, "127.0.0.1", 15003, 15002});
  }
  ~NodeSnapshotsTest() override {
    snapshots.reset();
    metadata.reset();
    database.reset();
    fs::remove_all(options.data_dir);
  }

  void open() { snapshots = std::make_unique<NodeSnapshots>(options, *database, *metadata, copies_mutex); }
  Result<std::vector<peer::SnapshotInfo>> order(Kind kind, const std::string& name = "") {
    return snapshots->handle({kind, name, {options.node}});
  }
  /// The only one, once nothing is done to it.
  peer::SnapshotInfo settled() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      const auto all = *order(Kind::kList);
      EXPECT_EQ(all.size(), 1U);
      if (all.empty() || std::chrono::steady_clock::now() > until) return {};
      if (all[0].state != SnapshotState::kCreating && all[0].state != SnapshotState::kVerifying) return all[0];
      std::this_thread::yield();
    }
  }
  std::size_t entries() const {
    std::error_code absent;
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(options.directory, absent), fs::directory_iterator()));
  }

  SnapshotOptions options;
  MetricsRegistry metrics;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<cluster::MetadataLog> metadata;
  std::mutex copies_mutex;
  std::unique_ptr<NodeSnapshots> snapshots;
};

TEST_F(NodeSnapshotsTest, IsMadeListedVerifiedAndRemoved) {
  open();
  ASSERT_TRUE(order(Kind::kCreate, "one"));
  const auto made = settled();
  EXPECT_EQ(made.state, SnapshotState::kComplete) << (made.problems.empty() ? "" : made.problems[0]);
  EXPECT_EQ(made.name, "one");
  EXPECT_EQ(made.path, (options.directory / "one").string());
  EXPECT_GT(made.files, 2U);
  EXPECT_EQ(made.nodes, std::vector<NodeId>{options.node});
  EXPECT_EQ(made.checksum.size(), 16U);
  EXPECT_EQ(made.verified_at_ms, 0);
  EXPECT_EQ(order(Kind::kCreate, "one").error().type, ErrorType::kConflict);

  ASSERT_TRUE(order(Kind::kVerify, "one"));
  EXPECT_EQ(settled().state, SnapshotState::kComplete);
  EXPECT_GT(settled().verified_at_ms, 0);

  ASSERT_TRUE(order(Kind::kRemove, "one"));
  EXPECT_EQ(entries(), 0U);
  EXPECT_EQ(order(Kind::kRemove, "one").error().type, ErrorType::kNotFound);
  EXPECT_EQ(order(Kind::kVerify, "one").error().type, ErrorType::kNotFound);
}

TEST_F(NodeSnapshotsTest, IsFoundAgainByTheNextProcess) {
  open();
  ASSERT_TRUE(order(Kind::kCreate, "one"));
  const auto made = settled();
  snapshots.reset();
  open();
  EXPECT_EQ(settled(), made);
}

TEST_F(NodeSnapshotsTest, AFailureLeavesNothingBehind) {
  options.save_membership = [](const fs::path& place) -> Result<void> {
    std::ofstream(place / "identity") << "half of it";
    return Error{ErrorType::kStorageFull, "no room"};
  };
  open();
  const auto failed = order(Kind::kCreate, "one");
  EXPECT_EQ(failed.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(entries(), 0U);
  EXPECT_TRUE(order(Kind::kList)->empty());
}

TEST_F(NodeSnapshotsTest, ALaterFailureLeavesOnlyItsReason) {
  // What cannot be a file of a snapshot.
  options.save_membership = [](const fs::path& place) -> Result<void> {
    fs::create_symlink("/etc/passwd", place / "identity");
    return {};
  };
  open();
  ASSERT_TRUE(order(Kind::kCreate, "one"));
  const auto failed = settled();
  EXPECT_EQ(failed.state, SnapshotState::kFailed);
  ASSERT_EQ(failed.problems.size(), 1U);
  EXPECT_EQ(entries(), 0U);
  options.save_membership = nullptr;
  ASSERT_TRUE(order(Kind::kRemove, "one"));
  EXPECT_TRUE(order(Kind::kList)->empty());
}

TEST_F(NodeSnapshotsTest, WhatACrashLeftIsRemovedByTheNextStart) {
  fs::create_directories(options.directory / ".unfinished-one" / "db");
  fs::create_directories(options.directory / ".removed-two" / "db");
  open();
  EXPECT_EQ(entries(), 0U);
}

TEST_F(NodeSnapshotsTest, DamageIsListedAndFound) {
  open();
  ASSERT_TRUE(order(Kind::kCreate, "one"));
  ASSERT_EQ(settled().state, SnapshotState::kComplete);
  std::ofstream(options.directory / "one" / "db" / "CURRENT", std::ios::trunc) << "MANIFEST-000000\n";
  ASSERT_TRUE(order(Kind::kVerify, "one"));
  EXPECT_EQ(settled().state, SnapshotState::kDamaged);
  EXPECT_NE(settled().problems.at(0).find("db/CURRENT"), std::string::npos);

  std::ofstream(options.directory / "one" / storage::kSnapshotManifest, std::ios::trunc) << "{}";
  snapshots.reset();
  open();
  EXPECT_EQ(settled().state, SnapshotState::kDamaged);
  ASSERT_TRUE(order(Kind::kVerify, "one"));
  EXPECT_EQ(settled().state, SnapshotState::kDamaged);
  ASSERT_TRUE(order(Kind::kRemove, "one"));
}

TEST_F(NodeSnapshotsTest, WhatSomebodyRemovedByHandIsGone) {
  open();
  ASSERT_TRUE(order(Kind::kCreate, "one"));
  settled();
  fs::remove_all(options.directory / "one");
  EXPECT_TRUE(order(Kind::kList)->empty());
}

TEST_F(NodeSnapshotsTest, NamesCannotLeaveTheDirectory) {
  open();
  for (const std::string name : {"..", "a/b", "", ".unfinished-x"}) {
    for (const auto kind : {Kind::kCreate, Kind::kVerify, Kind::kRemove}) {
      EXPECT_EQ(order(kind, name).error().type, ErrorType::kValidation) << name;
    }
  }
}

TEST_F(NodeSnapshotsTest, AfterAStopNothingIsBegun) {
  open();
  snapshots->stop();
  EXPECT_EQ(order(Kind::kCreate, "one").error().type, ErrorType::kShuttingDown);
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace vectorizer::node
