#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rocks_database.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::storage {

/// A database in a directory of its own, which a test can close, look into and open again.
class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "vectorizer-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    options_.directory = root_ / "db";
    options_.block_cache_bytes = 4 << 20;
    reopen();
  }
  void TearDown() override {
    store_.reset();
    database_.reset();
    std::filesystem::remove_all(root_);
  }

  void close() {
    store_.reset();
    database_.reset();
  }
  void reopen() {
    close();
    auto opened = RocksDatabase::open(options_, metrics_, [this] { return space_; });
    ASSERT_TRUE(opened) << opened.error().message;
    database_ = std::move(*opened);
    store_ = database_->open_store(1);
  }

  static StoredWrite upsert(SequenceNumber sequence, PointId id, std::vector<float> vector, std::string payload = "") {
    return {sequence, false, Point{std::move(id), std::move(vector), std::move(payload)}};
  }
  static StoredWrite tombstone(SequenceNumber sequence, PointId id) {
    return {sequence, true, Point{std::move(id), {}, {}}};
  }
  static Result<void> write(ShardStore& store, std::vector<StoredWrite> writes) { return store.write(writes); }
  static std::vector<PointId> ids_in(const ShardStore& store, const std::optional<PointId>& after = std::nullopt) {
    std::vector<PointId> ids;
    const auto outcome = store.scan(after, [&](StoredPoint&& stored) {
      ids.push_back(stored.point.id);
      return true;
    });
    EXPECT_TRUE(outcome) << outcome.error().message;
    return ids;
  }

  std::filesystem::path root_;
  DatabaseOptions options_;
  MetricsRegistry metrics_;
  std::optional<DiskSpace::Space> space_ = DiskSpace::Space{1ULL << 40, 1ULL << 40};
  std::unique_ptr<RocksDatabase> database_;
  std::unique_ptr<ShardStore> store_;
};

}  // namespace vectorizer::storage
