#pragma once

#include <span>
#include <vector>

#include "vectorizer/model/metric.hpp"

namespace vectorizer::index {

/// Copies a vector as distances are taken from it: of unit length under cosine (the zero vector stays zero).
void prepare_vector(Metric metric, std::span<const float> vector, float* out);
/// The distance of two prepared vectors in full precision: that of Neighbor.
float prepared_distance(Metric metric, std::span<const float> a, std::span<const float> b);

/// Distances from one query to vectors as clients sent them, equal to those of an index that keeps its vectors.
class ExactDistance {
 public:
  ExactDistance(Metric metric, std::span<const float> query);
  float operator()(std::span<const float> vector);

 private:
  Metric metric_;
  std::vector<float> query_;
  std::vector<float> other_;
};

}  // namespace vectorizer::index
