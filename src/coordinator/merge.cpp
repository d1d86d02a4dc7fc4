#include "merge.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer::coordinator {
namespace {

/// K-way merge over the heads of the lists; few lists (shards of a collection), so a linear scan for the best head.
template <typename Item, typename Before>
std::vector<Item> merge(std::vector<std::vector<Item>> lists, std::size_t limit, const Before& before) {
  std::vector<std::pair<std::size_t, std::size_t>> heads;  // (list, position), as a heap: the best on top
  const auto worse = [&](const auto& a, const auto& b) {
    return before(lists[b.first][b.second], lists[a.first][a.second]);
  };
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!lists[i].empty()) heads.emplace_back(i, 0);
  }
  std::make_heap(heads.begin(), heads.end(), worse);
  std::vector<Item> merged;
  while (!heads.empty() && merged.size() < limit) {
    std::pop_heap(heads.begin(), heads.end(), worse);
    auto [list, position] = heads.back();
    heads.pop_back();
    merged.push_back(std::move(lists[list][position]));
    if (position + 1 < lists[list].size()) {
      heads.emplace_back(list, position + 1);
      std::push_heap(heads.begin(), heads.end(), worse);
    }
  }
  return merged;
}

}  // namespace

std::vector<ScoredPoint> merge_hits(std::vector<std::vector<ScoredPoint>> lists, Metric metric, std::size_t offset,
                                    std::size_t limit) {
  std::vector<ScoredPoint> merged;
  if (lists.size() == 1) {
    merged = std::move(lists.front());
    if (merged.size() > offset + limit) merged.resize(offset + limit);
  } else {
    const bool larger = larger_is_better(metric);
    merged = merge(std::move(lists), offset + limit, [larger](const ScoredPoint& a, const ScoredPoint& b) {
      if (a.score != b.score) return larger ? a.score > b.score : a.score < b.score;
      return a.id < b.id;
    });
  }
  merged.erase(merged.begin(), merged.begin() + static_cast<std::ptrdiff_t>(std::min(offset, merged.size())));
  return merged;
}

std::vector<Point> merge_points(std::vector<std::vector<Point>> lists, std::size_t limit) {
  return merge(std::move(lists), limit, [](const Point& a, const Point& b) { return a.id < b.id; });
}

}  // namespace vectorizer::coordinator
