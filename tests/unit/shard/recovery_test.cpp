#include <algorithm>
#include <fstream>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 8;
constexpr std::uint64_t kPoints = 1000;

/// A shard whose index is built and saved.
class Recovery : public ::testing::Test {
 protected:
  void SetUp() override {
    shard_.options().graph_threshold = 200;
    std::vector<WriteOp> ops;
    for (std::uint64_t id = 0; id < kPoints; ++id) {
      ops.push_back(upsert(id, random_vector(random_, kDimension), R"({"n":)" + std::to_string(id) + "}"));
    }
    write(shard_.shard(), ops);
    shard_.settle();
    ASSERT_TRUE(shard_->save());
    ASSERT_TRUE(std::filesystem::exists(shard_.index_file()));
  }

  void expect_all_found() {
    for (std::uint64_t id = 0; id < kPoints; id += 50) {
      SearchQuery query;
      query.vector = point_of(shard_.shard(), id)->vector;
      query.limit = 1;
      EXPECT_EQ(ids_of(*shard_->search(query)), std::vector{PointId(id)});
      query.filter = filter_of(R"({"must":[{"key":"n","match":{"value":)" + std::to_string(id) + "}}]}");
      EXPECT_EQ(ids_of(*shard_->search(query)), std::vector{PointId(id)});
    }
  }

  std::mt19937 random_{3};
  ShardFixture shard_{kDimension};
};

TEST_F(Recovery, TakesTheGraphFromTheSavedIndex) {
  shard_.reopen();
  EXPECT_EQ(shard_->stats().pending, 0U);
  EXPECT_EQ(shard_->stats().tombstones, 0U);
  expect_all_found();
}

TEST_F(Recovery, AddsOnlyWhatIsNewerThanTheSavedIndex) {
  write(shard_.shard(), {upsert(5, random_vector(random_, kDimension), R"({"n":5})"), erase(6), erase(7),
                         upsert(2000, random_vector(random_, kDimension))});
  shard_.reopen();
  EXPECT_EQ(shard_->stats().vectors, kPoints - 1);
  EXPECT_EQ(shard_->stats().pending, 2U);
  EXPECT_EQ(shard_->stats().tombstones, 3U);
  EXPECT_FALSE(point_of(shard_.shard(), 6));
  shard_.settle();
  EXPECT_EQ(shard_->stats().pending, 0U);
}

TEST_F(Recovery, RebuildsFromTheStoreWhenTheFileIsDamagedOrMissing) {
  const auto file = shard_.index_file();
  const auto size = std::filesystem::file_size(file);
  for (const int damage : {0, 1, 2, 3}) {
    shard_.reopen();
    shard_.settle();
    ASSERT_TRUE(shard_->save());
    if (damage == 0) std::filesystem::remove(file);
    if (damage == 1) std::filesystem::resize_file(file, size / 2);
    if (damage == 2) std::filesystem::resize_file(file, 0);
    if (damage == 3) {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekp(static_cast<std::streamoff>(size / 2));
      stream.put('\x55').put('\xaa').put('\x55').put('\xaa');
    }
    shard_.reopen();
    EXPECT_EQ(shard_->stats().vectors, kPoints) << damage;
    EXPECT_EQ(shard_->stats().pending, kPoints) << damage;
    expect_all_found();  // at once, by scanning
  }
  shard_.settle();
  EXPECT_EQ(shard_->stats().pending, 0U);
  shard_.reopen();
  EXPECT_EQ(shard_->stats().pending, 0U);  // it was saved anew
  expect_all_found();
}

TEST_F(Recovery, IgnoresAnIndexMadeWithOtherOptions) {
  shard_.options().collection.hnsw.m = 12;
  shard_.reopen();
  EXPECT_EQ(shard_->stats().pending, kPoints);
  expect_all_found();
}

TEST_F(Recovery, IgnoresAnIndexOfAnotherStore) {
  ShardFixture other(kDimension);
  other.options().graph_threshold = 200;
  std::filesystem::create_directories(other.options().directory);
  std::filesystem::copy_file(shard_.index_file(), other.index_file());
  write(other.shard(), {upsert(1, random_vector(random_, kDimension), R"({"x":1})")});
  other.reopen();
  EXPECT_EQ(other->stats().vectors, 1U);
  EXPECT_EQ(*other->count(filter_of(R"({"must":[{"key":"n","exists":true}]})")), 0U);
}

}  // namespace
}  // namespace vectorizer::shard
