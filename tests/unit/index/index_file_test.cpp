#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "support.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {
namespace {

std::string contents_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_contents(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

class IndexFile : public ::testing::Test {
 protected:
  /// An index of `count` rows of which the first `indexed` are in the graph.
  std::unique_ptr<VectorIndex> make(std::size_t count, std::size_t indexed) {
    rows_ = testing::generated_vectors(count, 24, 1);
    auto index = make_vector_index(options_);
    add_rows(*index, rows_);
    index->index_pending(indexed);
    return index;
  }

  TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "shard.index";
  const IndexOptions options_ = options_for(24, Metric::kCosine);
  testing::Matrix<float> rows_;
};

TEST_F(IndexFile, LoadedAndRestoredIndexGivesTheSameAnswers) {
  const auto index = make(1500, 1200);  // more than hnswlib's first capacity, and a tail
  index->remove(3);
  index->remove(1400);
  const auto saved = index->save(file_, "the shard's own data");
  ASSERT_TRUE(saved);
  EXPECT_EQ(*saved, 1500U);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".new"));

  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->extra, "the shard's own data");
  EXPECT_EQ(loaded->slots, 1500U);
  EXPECT_EQ(loaded->index->stats().live, 0U);
  EXPECT_TRUE(loaded->index->search(rows_.row(0), {}).empty());
  for (Slot slot = 0; slot < 1500; ++slot) {
    if (!index->removed(slot)) restore_vector(*loaded->index, slot, rows_.row(slot));
  }
  EXPECT_EQ(loaded->index->stats().live, 1498U);
  EXPECT_EQ(loaded->index->stats().indexed, 1200U);
  EXPECT_EQ(loaded->index->stats().pending, index->stats().pending);
  const auto queries = testing::generated_vectors(50, 24, 2);
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    EXPECT_EQ(slots_of(loaded->index->search(queries.row(i), {})), slots_of(index->search(queries.row(i), {})));
  }
}

TEST_F(IndexFile, GrowsOnAfterLoading) {
  const auto index = make(600, 600);
  ASSERT_TRUE(index->save(file_, ""));
  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (Slot slot = 0; slot < 600; ++slot) restore_vector(*loaded->index, slot, rows_.row(slot));
  const auto more = testing::generated_vectors(1500, 24, 3);
  for (std::size_t i = 0; i < more.rows(); ++i) EXPECT_EQ(loaded->index->add(more.row(i)), 600 + i);
  index_all(*loaded->index);
  EXPECT_EQ(loaded->index->stats().indexed, 2100U);
  for (std::size_t i = 0; i < more.rows(); i += 10) {
    EXPECT_EQ(loaded->index->search(more.row(i), {}).at(0).slot, 600 + i);
  }
  for (Slot slot = 0; slot < 600; slot += 10) EXPECT_EQ(loaded->index->search(rows_.row(slot), {}).at(0).slot, slot);
}

// With two links a node many lists are full, and hnswlib looks one link further, which AddressSanitizer sees.
TEST_F(IndexFile, FullLinkListsAreNotReadPastTheirEndWhenALoadedIndexGrows) {
  auto options = options_;
  options.m = 2;
  rows_ = testing::generated_vectors(400, 24, 1);
  const auto index = make_vector_index(options);
  add_rows(*index, rows_);
  index_all(*index);
  ASSERT_TRUE(index->save(file_, ""));
  auto loaded = load_vector_index(options, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (Slot slot = 0; slot < 400; ++slot) restore_vector(*loaded->index, slot, rows_.row(slot));
  add_rows(*loaded->index, testing::generated_vectors(400, 24, 2));
  index_all(*loaded->index);
  EXPECT_EQ(loaded->index->stats().indexed, 800U);
}

TEST_F(IndexFile, SlotsThatAreNotRestoredStillLeadToTheOthers) {
  const auto index = make(1000, 1000);
  ASSERT_TRUE(index->save(file_, ""));
  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (Slot slot = 0; slot < 1000; slot += 5) restore_vector(*loaded->index, slot, rows_.row(slot));
  for (Slot slot = 0; slot < 1000; ++slot) {
    const auto found = loaded->index->search(rows_.row(slot), {});
    ASSERT_EQ(found.size(), 10U);
    for (const Neighbor& neighbor : found) EXPECT_EQ(neighbor.slot % 5, 0U);
    EXPECT_TRUE(slot % 5 != 0 || found[0].slot == slot) << slot;
  }
}

TEST_F(IndexFile, ASlotThatTheGraphPassedOverIsFoundOnceItIsRestored) {
  const auto index = make(400, 0);
  index->remove(17);
  index_all(*index);
  ASSERT_TRUE(index->save(file_, ""));
  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (Slot slot = 0; slot < 400; ++slot) restore_vector(*loaded->index, slot, rows_.row(slot));
  EXPECT_EQ(loaded->index->search(rows_.row(17), {}).at(0).slot, 17U);
}

TEST_F(IndexFile, EmptyAndGraphlessIndexesAreSavedToo) {
  for (const std::size_t count : {0U, 5U}) {
    const auto index = make(count, 0);
    ASSERT_TRUE(index->save(file_, "x"));
    auto loaded = load_vector_index(options_, file_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->slots, count);
    EXPECT_EQ(loaded->index->add(std::vector<float>(24, 1.0F)), count);
  }
}

TEST_F(IndexFile, AllNodesRemovedBeforeIndexing) {
  const auto index = make(20, 0);
  for (Slot slot = 0; slot < 20; ++slot) index->remove(slot);
  index_all(*index);
  ASSERT_EQ(index->stats().indexed, 20U);
  ASSERT_TRUE(index->save(file_, ""));
  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  loaded->index->add(std::vector<float>(24, 1.0F));
  index_all(*loaded->index);
  EXPECT_EQ(slots_of(loaded->index->search(std::vector<float>(24, 1.0F), {})), (std::vector<Slot>{20}));
}

TEST_F(IndexFile, OtherOptionsAreRefused) {
  ASSERT_TRUE(make(50, 50)->save(file_, ""));
  auto other = options_;
  other.dimension = 25;
  EXPECT_FALSE(load_vector_index(other, file_));
  other = options_;
  other.metric = Metric::kDot;
  EXPECT_FALSE(load_vector_index(other, file_));
  other = options_;
  other.m = 8;
  const auto refused = load_vector_index(other, file_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
}

TEST_F(IndexFile, MissingFileAndUnwritableDirectoryAreErrors) {
  EXPECT_FALSE(load_vector_index(options_, directory_.path() / "absent"));
  EXPECT_FALSE(load_vector_index(options_, directory_.path()));
  EXPECT_FALSE(make(5, 5)->save(directory_.path() / "no" / "such" / "directory", ""));
}

TEST_F(IndexFile, SavingReplacesAnOlderFile) {
  write_contents(file_, "old");
  ASSERT_TRUE(make(50, 50)->save(file_, "new"));
  auto loaded = load_vector_index(options_, file_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->extra, "new");
}

TEST_F(IndexFile, EveryTruncationIsAnError) {
  ASSERT_TRUE(make(120, 100)->save(file_, "extra"));
  const std::string whole = contents_of(file_);
  const auto cut_file = directory_.path() / "cut";
  for (std::size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 37) {
    write_contents(cut_file, whole.substr(0, size));
    ASSERT_FALSE(load_vector_index(options_, cut_file)) << "cut at " << size;
  }
  write_contents(cut_file, whole + "x");
  EXPECT_FALSE(load_vector_index(options_, cut_file));
}

TEST_F(IndexFile, EveryFlippedByteIsAnError) {
  ASSERT_TRUE(make(120, 100)->save(file_, "extra"));
  const std::string whole = contents_of(file_);
  const auto flipped_file = directory_.path() / "flipped";
  std::mt19937 random(9);
  for (std::size_t offset = 0; offset < whole.size(); offset += offset < 300 ? 1 : 11) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string damaged = whole;
      damaged[offset] = static_cast<char>(damaged[offset] ^ flip);
      write_contents(flipped_file, damaged);
      ASSERT_FALSE(load_vector_index(options_, flipped_file)) << "flipped at " << offset;
    }
  }
}

}  // namespace
}  // namespace vectorizer::index
