#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {
namespace {

/// One writer that adds all rows and removes every seventh slot, two indexers, and searchers beside them.
class ConcurrentIndex : public ::testing::TestWithParam<Metric> {
 protected:
  static constexpr std::size_t kRows = 1500;  // hnswlib's arrays grow on the way
  static constexpr std::size_t kDimension = 20;
  static constexpr std::size_t kIndexers = 2;

  static bool is_removed(std::size_t slot) { return slot % 7 == 3; }

  void write() {
    for (std::size_t i = 0; i < kRows; ++i) {
      EXPECT_EQ(index_->add(rows_.row(i)), i);
      added_.store(i + 1, std::memory_order_release);
      if (is_removed(i)) {
        index_->remove(static_cast<Slot>(i));
        removed_below_.store(i + 1, std::memory_order_release);
      }
    }
    written_.store(true, std::memory_order_release);
  }

  void index_beside() {
    for (;;) {
      const bool last = written_.load(std::memory_order_acquire);
      if (index_->index_pending(64) == 0) {
        if (last) break;
        std::this_thread::yield();
      }
    }
    indexers_done_.fetch_add(1, std::memory_order_release);
  }

  /// What was acknowledged before a search began must be in its answer, what was removed before must not.
  void search_beside(std::size_t seed) {
    for (std::size_t round = seed; indexers_done_.load(std::memory_order_acquire) < kIndexers; round += 13) {
      const std::size_t removed_below = removed_below_.load(std::memory_order_acquire);
      const std::size_t added = added_.load(std::memory_order_acquire);
      if (added == 0) continue;
      const std::size_t target = round % added;
      const auto found = index_->search(rows_.row(target), {});
      ++searches_;
      for (const Neighbor& neighbor : found) {
        EXPECT_FALSE(is_removed(neighbor.slot) && neighbor.slot < removed_below) << neighbor.slot;
      }
      if (is_removed(target)) continue;
      ++targets_;
      if (!found.empty() && found[0].slot == target) ++hits_;
    }
  }

  const testing::Matrix<float> rows_ = testing::generated_vectors(kRows, kDimension, 1);
  std::unique_ptr<VectorIndex> index_ = make_vector_index(options_for(kDimension, GetParam(), 100));
  std::atomic<std::size_t> added_{0}, removed_below_{0}, searches_{0}, targets_{0}, hits_{0};
  std::atomic<bool> written_{false};
  std::atomic<std::size_t> indexers_done_{0};
};

TEST_P(ConcurrentIndex, AddsRemovesIndexingAndSearchesMix) {
  std::vector<std::thread> threads;
  threads.emplace_back([this] { write(); });
  for (std::size_t i = 0; i < kIndexers; ++i) threads.emplace_back([this] { index_beside(); });
  for (std::size_t i = 0; i < 2; ++i) threads.emplace_back([this, i] { search_beside(i); });
  for (std::thread& thread : threads) thread.join();

  EXPECT_GT(searches_, 0U);
  EXPECT_GE(static_cast<double>(hits_), 0.98 * static_cast<double>(targets_));  // each is its own nearest
  const IndexStats stats = index_->stats();
  EXPECT_EQ(stats.slots, kRows);
  EXPECT_EQ(stats.indexed, kRows);
  EXPECT_EQ(stats.pending, 0U);
  std::size_t found_itself = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto found = index_->search(rows_.row(i), {});
    ASSERT_EQ(found.size(), 10U);
    if (!is_removed(i) && found[0].slot == i) ++found_itself;
  }
  EXPECT_GE(static_cast<double>(found_itself), 0.98 * static_cast<double>(stats.live));
}

TEST_P(ConcurrentIndex, SavesBesideAddsAndSearches) {
  for (std::size_t i = 0; i < 600; ++i) index_->add(rows_.row(i));
  index_all(*index_);
  const TemporaryDirectory directory;
  const auto file = directory.path() / "index";
  std::atomic<bool> saved{false};
  std::thread writer([&] {
    for (std::size_t i = 600; i < kRows; ++i) {
      index_->add(rows_.row(i));
      index_->remove(static_cast<Slot>(i - 600));
    }
  });
  std::thread searcher([&] {
    while (!saved.load(std::memory_order_acquire)) EXPECT_FALSE(index_->search(rows_.row(0), {}).empty());
  });
  const auto slots = index_->save(file, "extra");
  saved.store(true, std::memory_order_release);
  writer.join();
  searcher.join();
  ASSERT_TRUE(slots);
  EXPECT_GE(*slots, 600U);
  auto loaded = load_vector_index(options_for(kDimension, GetParam(), 100), file);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->slots, *slots);
  for (Slot slot = 0; slot < 600; ++slot) restore_vector(*loaded->index, slot, rows_.row(slot));
  for (Slot slot = 0; slot < 600; slot += 50) {
    EXPECT_EQ(loaded->index->search(rows_.row(slot), {}).at(0).slot, slot);
  }
}

TEST_P(ConcurrentIndex, WhatIsSavedBesideIndexersIsWhole) {
  for (std::size_t i = 0; i < kRows; ++i) index_->add(rows_.row(i));
  written_ = true;
  index_->index_pending(200);
  const TemporaryDirectory directory;
  std::vector<std::thread> indexers;
  for (std::size_t i = 0; i < kIndexers; ++i) indexers.emplace_back([this] { index_beside(); });
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < 4; ++i) {
    files.push_back(directory.path() / std::to_string(i));
    EXPECT_TRUE(index_->save(files.back(), ""));
  }
  for (std::thread& indexer : indexers) indexer.join();
  for (const auto& file : files) {
    auto loaded = load_vector_index(options_for(kDimension, GetParam(), 100), file);
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (Slot slot = 0; slot < loaded->slots; ++slot) restore_vector(*loaded->index, slot, rows_.row(slot));
    EXPECT_GE(loaded->index->stats().indexed, 200U);
    for (Slot slot = 0; slot < kRows; slot += 100) {
      EXPECT_EQ(loaded->index->search(rows_.row(slot), {}).at(0).slot, slot);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, ConcurrentIndex, ::testing::Values(Metric::kEuclidean, Metric::kCosine),
                         [](const auto& test) { return test.param == Metric::kCosine ? "Cosine" : "Euclidean"; });

}  // namespace
}  // namespace vectorizer::index
