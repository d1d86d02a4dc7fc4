#pragma once

#include <cstddef>
#include <vector>

#include "vectorizer/model/metric.hpp"
#include "vectorizer/model/point.hpp"

namespace vectorizer::coordinator {

/// Merges sorted lists of hits into the `limit` best after skipping `offset`: best first by the metric's direction,
/// ties by id, so that the same data gives the same reply however it is sharded.
std::vector<ScoredPoint> merge_hits(std::vector<std::vector<ScoredPoint>> lists, Metric metric, std::size_t offset,
                                    std::size_t limit);

/// Merges lists of points that are sorted by id, up to `limit`.
std::vector<Point> merge_points(std::vector<std::vector<Point>> lists, std::size_t limit);

}  // namespace vectorizer::coordinator
