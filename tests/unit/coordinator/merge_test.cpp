#include "merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace vectorizer::coordinator {
namespace {

ScoredPoint hit(std::uint64_t id, float score) {
  return {PointId(id), score, "", {}};
}

std::vector<std::uint64_t> ids(const std::vector<ScoredPoint>& hits) {
  std::vector<std::uint64_t> numbers;
  for (const auto& one : hits) numbers.push_back(one.id.number());
  return numbers;
}

TEST(MergeHits, UsesTheDirectionOfTheMetric) {
  const std::vector<std::vector<ScoredPoint>> similar{{hit(1, 0.9F), hit(2, 0.1F)}, {hit(3, 0.5F)}};
  const std::vector<std::vector<ScoredPoint>> distant{{hit(2, 0.1F), hit(1, 0.9F)}, {hit(3, 0.5F)}};

  EXPECT_EQ(ids(merge_hits(similar, Metric::kCosine, 0, 10)), (std::vector<std::uint64_t>{1, 3, 2}));
  EXPECT_EQ(ids(merge_hits(distant, Metric::kEuclidean, 0, 10)), (std::vector<std::uint64_t>{2, 3, 1}));
}

TEST(MergeHits, TiesAreBrokenById) {
  const std::vector<std::vector<ScoredPoint>> lists{{hit(4, 1), hit(5, 1)}, {hit(1, 1), hit(9, 1)}};

  EXPECT_EQ(ids(merge_hits(lists, Metric::kDot, 0, 3)), (std::vector<std::uint64_t>{1, 4, 5}));
}

TEST(MergeHits, OffsetSkipsFromTheMergedOrder) {
  const std::vector<std::vector<ScoredPoint>> lists{{hit(1, 9), hit(3, 7)}, {hit(2, 8), hit(4, 6)}};

  EXPECT_EQ(ids(merge_hits(lists, Metric::kDot, 1, 2)), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(merge_hits(lists, Metric::kDot, 9, 2).empty());
  EXPECT_TRUE(merge_hits({}, Metric::kDot, 0, 2).empty());
}

TEST(MergeHits, AgreesWithSortingEverything) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<ScoredPoint>> lists(1 + random() % 5);
    std::vector<ScoredPoint> all;
    for (std::uint64_t id = 0; id < 40; ++id) {
      const auto one = hit(id, static_cast<float>(random() % 8));
      lists[random() % lists.size()].push_back(one);
      all.push_back(one);
    }
    const auto before = [](const ScoredPoint& a, const ScoredPoint& b) {
      return a.score != b.score ? a.score < b.score : a.id < b.id;
    };
    for (auto& list : lists) std::sort(list.begin(), list.end(), before);
    std::sort(all.begin(), all.end(), before);
    all.resize(15);

    EXPECT_EQ(ids(merge_hits(lists, Metric::kEuclidean, 0, 15)), ids(all));
  }
}

}  // namespace
}  // namespace vectorizer::coordinator
