#include "vectorizer/storage/snapshot.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xxhash.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "vectorizer/base/metrics.hpp"

namespace vectorizer::storage {
namespace {

namespace fs = std::filesystem;

class Snapshot : public ::testing::Test {
 protected:
  Snapshot() {
    std::string pattern = (fs::temp_directory_path() / "vectorizer-snapshot-XXXXXX").string();
    home = ::mkdtemp(pattern.data());
    place = home / "snapshot";
  }
  ~Snapshot() override { fs::remove_all(home); }

  static void write(const fs::path& path, const std::string& bytes) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void flip(const std::string& name, std::size_t at) {
    auto bytes = read(place / name);
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
    write(place / name, bytes);
  }
  /// Two files, listed and summed.
  SnapshotManifest make() {
    write(place / "db" / "000012.sst", "some sorted strings");
    write(place / "index" / "3" / "index.vzi", "a graph");
    SnapshotManifest manifest;
    manifest.name = "one";
    manifest.created_at_ms = 1700000000123;
    manifest.version = "1.2.3";
    manifest.node = NodeId("node-1");
    manifest.node_uuid = "abc";
    manifest.cluster_id = "def";
    manifest.nodes = {NodeId("node-1"), NodeId("node-2")};
    manifest.metadata_epoch = 9;
    manifest.metadata = R"({"epoch":9})";
    manifest.copies = {{ShardId(4), 7, 3, 5, {11, 4}, 10}};
    manifest.files = *sum_files(place, {}, nullptr, manifest.shared_bytes, nullptr);
    EXPECT_TRUE(write_manifest(place, manifest));
    return manifest;
  }
  std::vector<std::string> problems() { return *check_files(place, *read_manifest(place), nullptr); }

  fs::path home, place;
};

TEST_F(Snapshot, ManifestComesBackAsItWasWritten) {
  const auto manifest = make();

  const auto found = read_manifest(place);

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, manifest);
  ASSERT_EQ(found->files.size(), 2U);
  EXPECT_EQ(found->files[0].path, "db/000012.sst");
  EXPECT_EQ(found->bytes(), 26U);
  EXPECT_TRUE(problems().empty());
}

TEST_F(Snapshot, EveryChangedBitOfTheManifestIsFound) {
  make();
  const auto intact = read(place / kSnapshotManifest);
  for (std::size_t at = 0; at < intact.size(); ++at) {
    flip(kSnapshotManifest, at);
    EXPECT_FALSE(read_manifest(place)) << at;
    write(place / kSnapshotManifest, intact);
  }
  for (std::size_t length = 0; length < intact.size(); length += 7) {
    write(place / kSnapshotManifest, intact.substr(0, length));
    EXPECT_FALSE(read_manifest(place)) << length;
  }
}

TEST_F(Snapshot, ChangedMissingAndSurplusFilesAreNamed) {
  make();
  flip("db/000012.sst", 3);
  EXPECT_EQ(problems(), std::vector<std::string>{"db/000012.sst: its content is not what was saved"});
  write(place / "db" / "000012.sst", "shorter");
  EXPECT_EQ(problems(), std::vector<std::string>{"db/000012.sst: has 7 bytes, not 19"});
  fs::remove(place / "db" / "000012.sst");
  write(place / "db" / "000013.log", "");
  write(place / "lost+found" / "x", "not of the node");
  EXPECT_EQ(problems(),
            (std::vector<std::string>{"db/000012.sst: is missing", "db/000013.log: does not belong to the snapshot"}));
}

TEST_F(Snapshot, AFileOfTheSnapshotBeforeIsNotReadAgain) {
  const auto before = make();
  const auto next = home / "next";
  fs::create_directories(next / "db");
  fs::create_hard_link(place / "db" / "000012.sst", next / "db" / "000012.sst");
  write(next / "index" / "3" / "index.vzi", "another one");
  auto trusted = before;
  trusted.files[0].checksum = 42;  // shows that it is taken over
  std::uint64_t shared = 0;

  const auto files = sum_files(next, place, &trusted, shared, nullptr);

  ASSERT_TRUE(files);
  EXPECT_EQ((*files)[0].checksum, 42U);
  EXPECT_NE((*files)[1].checksum, before.files[1].checksum);
  EXPECT_EQ(shared, 19U);
}

TEST_F(Snapshot, ManifestsDoNotReachOutside) {
  auto manifest = make();
  for (const std::string path : {"../secret", "/etc/passwd", "db/../../x", ""}) {
    manifest.files[0].path = path;
    ASSERT_TRUE(write_manifest(place, manifest));
    EXPECT_FALSE(read_manifest(place)) << path;
  }
}

TEST_F(Snapshot, LinksAreNoFilesOfASnapshot) {
  make();
  fs::create_symlink("/etc/passwd", place / "db" / "link");
  std::uint64_t shared = 0;
  EXPECT_FALSE(sum_files(place, {}, nullptr, shared, nullptr));
}

TEST_F(Snapshot, ARestoredDirectoryIsComparedOnceAndMarkedUntilItIsTakenOver) {
  make();

  ASSERT_TRUE(*check_restored(place));
  EXPECT_FALSE(fs::exists(place / kSnapshotManifest));
  write(place / "db" / "000012.sst", "the node has begun to work");
  EXPECT_TRUE(*check_restored(place));
  ASSERT_TRUE(remove_restore_marker(place));
  EXPECT_FALSE(*check_restored(place));
}

TEST_F(Snapshot, ADamagedRestoredDirectoryIsRefusedAndLeftAsItIs) {
  make();
  flip("db/000012.sst", 0);

  const auto refused = check_restored(place);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  EXPECT_NE(refused.error().message.find("db/000012.sst"), std::string::npos);
  flip("db/000012.sst", 0);
  EXPECT_TRUE(*check_restored(place));
}

TEST_F(Snapshot, AnEmptyMarkerIsOneThatAnOperatorMade) {
  write(place / kRestoreMarker, "");
  EXPECT_TRUE(*check_restored(place));
  write(place / kRestoreMarker, "{\"format\":2}");
  EXPECT_FALSE(check_restored(place));
}

TEST_F(Snapshot, AMemberOfAnotherTypeIsDamageAndNoException) {
  make();
  write(place / kRestoreMarker, R"({"format":"1"})");
  EXPECT_FALSE(check_restored(place));
  write(place / kRestoreMarker, R"({"format":1,"checked":"yes"})");
  flip("db/000012.sst", 0);
  EXPECT_FALSE(check_restored(place)) << "it was not compared yet";

  const std::string text = R"({"format":"1"})";
  write(place / kSnapshotManifest, fmt::format("{}xxh3-64 {:016x}\n", text, XXH3_64bits(text.data(), text.size())));
  const auto manifest = read_manifest(place);
  ASSERT_FALSE(manifest);
  EXPECT_NE(manifest.error().message.find("a format that this version does not read"), std::string::npos);
}

TEST_F(Snapshot, NamesAreFileNames) {
  EXPECT_TRUE(is_snapshot_name("nightly-2026.11_25"));
  for (const std::string name : {"", ".", "..", ".x", "a/b", "a b", "ä"}) EXPECT_FALSE(is_snapshot_name(name)) << name;
  EXPECT_TRUE(is_snapshot_name(std::string(64, 'x')));
  EXPECT_FALSE(is_snapshot_name(std::string(65, 'x')));
}

/// What the checkpoint of a live database has, and that reading it changes nothing.
TEST_F(Snapshot, ACheckpointHoldsWhatWasWrittenAndIsOnlyRead) {
  MetricsRegistry metrics, others;
  DatabaseOptions options;
  options.directory = home / "live";
  options.min_free_bytes = 0;
  const auto live = open_database(options, metrics);
  ASSERT_TRUE(live) << live.error().message;
  const auto store = (*live)->open_store(1);
  const StoredWrite first{1, false, {PointId(std::uint64_t{7}), {1, 2}, "{}"}};
  const StoredWrite second{2, false, {PointId(std::uint64_t{8}), {3, 4}, ""}};
  ASSERT_TRUE(store->write({&first, 1}));
  const auto made = (*live)->checkpoint(home / "copy");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(store->write({&second, 1}));

  std::uint64_t shared = 0;
  const auto before = *sum_files(home / "copy", {}, nullptr, shared, nullptr);
  {
    options.directory = home / "copy";
    options.read_only = true;
    const auto copy = open_database(options, others);
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ((*copy)->open_store(1)->applied_sequence(), 1U);
    EXPECT_TRUE((*(*copy)->open_store(1)->get(PointId(std::uint64_t{7}))).has_value());
    EXPECT_FALSE((*copy)->put_local("x", "y"));
  }
  EXPECT_EQ(*sum_files(home / "copy", {}, nullptr, shared, nullptr), before);
  EXPECT_FALSE((*live)->checkpoint(home / "copy")) << "it is there already";
}

}  // namespace
}  // namespace vectorizer::storage
