#include "vectorizer/index/exact_distance.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "code.hpp"
#include "kernels.hpp"

namespace vectorizer::index {

void prepare_vector(Metric metric, std::span<const float> vector, float* out) {
  double squared_norm = 0;
  if (metric == Metric::kCosine) {
    for (const float value : vector) squared_norm += static_cast<double>(value) * static_cast<double>(value);
  }
  if (squared_norm == 0) {
    std::copy(vector.begin(), vector.end(), out);
    return;
  }
  const double inverse = 1 / std::sqrt(squared_norm);
  for (std::size_t i = 0; i < vector.size(); ++i) out[i] = static_cast<float>(vector[i] * inverse);
}

float prepared_distance(Metric metric, std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  if (metric == Metric::kEuclidean) return ordered(kernels().squared_distance_f32(a.data(), b.data(), a.size()));
  const float dot = kernels().dot_f32(a.data(), b.data(), a.size());
  // Rounding must not show a client a similarity of 1.0000001.
  return metric == Metric::kCosine ? std::clamp(1 - dot, 0.0F, 2.0F) : ordered(-dot);
}

ExactDistance::ExactDistance(Metric metric, std::span<const float> query)
    : metric_(metric), query_(query.size()), other_(query.size()) {
  prepare_vector(metric_, query, query_.data());
}

float ExactDistance::operator()(std::span<const float> vector) {
  if (metric_ != Metric::kCosine) return prepared_distance(metric_, query_, vector);
  prepare_vector(metric_, vector, other_.data());
  return prepared_distance(metric_, query_, other_);
}

}  // namespace vectorizer::index
