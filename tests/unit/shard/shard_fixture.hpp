#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "testing/memory_shard_store.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::shard {

/// A directory of its own that is gone after the test.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "shard-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A shard on a disk in memory that can be closed and opened again.
class ShardFixture {
 public:
  explicit ShardFixture(std::uint32_t dimension, Metric metric = Metric::kEuclidean) {
    options_.id = ShardId(1);
    options_.collection.name = "tests";
    options_.collection.dimension = dimension;
    options_.collection.metric = metric;
    options_.collection.hnsw.m = 8;
    options_.collection.hnsw.ef_construction = 40;
    options_.directory = directory_.path() / "shard";
  }

  ShardOptions& options() { return options_; }
  testing::MemoryDisk& disk() { return *disk_; }
  Shard& shard() {
    if (!shard_) open(std::make_unique<testing::MemoryShardStore>(disk_));
    return *shard_;
  }
  Shard* operator->() { return &shard(); }

  void open(std::unique_ptr<storage::ShardStore> store) {
    auto opened = open_shard(options_, std::move(store), metrics_);
    if (!opened) throw std::runtime_error(opened.error().message);
    shard_ = std::move(*opened);
  }
  void reopen() {
    shard_.reset();
    shard();
  }
  std::filesystem::path index_file() const { return options_.directory / "index.vzi"; }
  ShardMetrics& metrics() { return metrics_; }
  MetricsRegistry& registry() { return registry_; }

  /// Background work until nothing waits.
  void settle() {
    while (shard().maintain()) {
    }
  }

 private:
  ScratchDirectory directory_;
  ShardOptions options_;
  MetricsRegistry registry_;
  ShardMetrics metrics_{registry_};
  std::shared_ptr<testing::MemoryDisk> disk_ = std::make_shared<testing::MemoryDisk>();
  std::unique_ptr<Shard> shard_;
};

inline WriteOp upsert(PointId id, std::vector<float> vector, std::string payload = {}) {
  WriteOp op;
  op.kind = WriteOp::Kind::kUpsert;
  op.id = std::move(id);
  op.vector = std::move(vector);
  op.payload = std::move(payload);
  return op;
}
inline WriteOp upsert(std::uint64_t id, std::vector<float> vector, std::string payload = {}) {
  return upsert(PointId(id), std::move(vector), std::move(payload));
}
inline WriteOp erase(std::uint64_t id) {
  WriteOp op;
  op.kind = WriteOp::Kind::kDelete;
  op.id = PointId(id);
  return op;
}
inline WriteOp patch(std::uint64_t id, std::vector<float> vector, std::string payload) {
  WriteOp op = upsert(id, std::move(vector), std::move(payload));
  op.kind = WriteOp::Kind::kPatch;
  return op;
}
inline WriteOp edit(std::uint64_t id, PayloadMode mode, std::string payload, std::vector<std::string> keys = {}) {
  WriteOp op = upsert(id, {}, std::move(payload));
  op.kind = WriteOp::Kind::kPayload;
  op.mode = mode;
  op.keys = std::move(keys);
  return op;
}

inline std::vector<WriteOutcome> write(Shard& shard, std::vector<WriteOp> ops) {
  auto result = shard.write(ops);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *std::move(result) : std::vector<WriteOutcome>{};
}

inline Filter filter_of(const std::string& json) {
  auto filter = parse_filter(nlohmann::json::parse(json), {});
  if (!filter) throw std::runtime_error(filter.error().message);
  return *std::move(filter);
}

inline std::optional<Point> point_of(const Shard& shard, const PointId& id) {
  Projection all;
  all.with_vector = true;
  auto points = shard.get(std::vector{id}, all);
  EXPECT_TRUE(points);
  return points ? points->front() : std::nullopt;
}
inline std::optional<Point> point_of(const Shard& shard, std::uint64_t id) {
  return point_of(shard, PointId(id));
}

inline std::vector<PointId> ids_of(const std::vector<ScoredPoint>& points) {
  std::vector<PointId> ids;
  for (const auto& point : points) ids.push_back(point.id);
  return ids;
}

inline std::vector<float> random_vector(std::mt19937& random, std::size_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

}  // namespace vectorizer::shard
