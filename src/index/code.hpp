#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "kernels.hpp"
#include "vectorizer/model/metric.hpp"

namespace vectorizer::index {

/// A vector in eight bits per dimension, scaled by itself: x[i] ~ mean + scale * (code[i] - average code).
/// `squared_norm` is that of x - mean, exact. Distances are formed from means and centred products, so that a large
/// common offset of all components costs no precision, and no training is needed.
struct CodeMeta {
  float mean;
  float scale;
  float squared_norm;
  std::uint32_t code_sum;
};
static_assert(sizeof(CodeMeta) == 16);

/// The same for a query, with codes from -128 to 127. The smallest value of a vector has a code without error in both,
/// which matters where most components are equal, as with sparse vectors or images on a plain background: there all
/// errors would point the same way.
struct QueryCode {
  const std::int8_t* codes = nullptr;
  float mean = 0;
  float scale = 0;
  float squared_norm = 0;
  double average_code = 0;
};

/// Encodes `vector` into `codes`, which holds as many bytes.
CodeMeta encode(std::span<const float> vector, std::uint8_t* codes);
/// Encodes a query into `codes`, which holds as many bytes and lives as long as the result.
QueryCode encode_query(std::span<const float> query, std::int8_t* codes);

/// Where a distance can be infinite or not a number it becomes the largest float, so that it can be ordered.
inline float ordered(float distance) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  return distance < kLargest ? distance : kLargest;
}

/// Distances between codes under one metric. "Distance" is that of Neighbor, up to the error of the codes.
class CodeSpace {
 public:
  CodeSpace(Metric metric, std::size_t dimension)
      : metric_(metric), dimension_(dimension), size_(static_cast<float>(dimension)), kernels_(kernels()) {}

  float distance(const QueryCode& query, const std::uint8_t* codes, const CodeMeta& meta) const {
    const double product = kernels_.dot_u8_s8(codes, query.codes, dimension_);
    const auto levels = static_cast<float>(product - query.average_code * meta.code_sum);
    const float centred = query.scale * meta.scale * levels;
    return combine(query.mean, query.squared_norm, meta.mean, meta.squared_norm, centred);
  }

  /// Symmetric, between two stored codes: what the graph is built with.
  float distance(const std::uint8_t* a, const CodeMeta& meta_a, const std::uint8_t* b, const CodeMeta& meta_b) const {
    const auto product = static_cast<double>(kernels_.dot_u8_u8(a, b, dimension_));
    const double correction = static_cast<double>(meta_a.code_sum) * meta_b.code_sum / static_cast<double>(dimension_);
    const float centred = meta_a.scale * meta_b.scale * static_cast<float>(product - correction);
    return combine(meta_a.mean, meta_a.squared_norm, meta_b.mean, meta_b.squared_norm, centred);
  }

 private:
  float combine(float mean_a, float norm_a, float mean_b, float norm_b, float centred) const {
    if (metric_ == Metric::kEuclidean) {
      const float offset = mean_a - mean_b;
      return ordered(size_ * offset * offset + norm_a + norm_b - 2 * centred);
    }
    const float dot = size_ * mean_a * mean_b + centred;
    return ordered(metric_ == Metric::kCosine ? 1 - dot : -dot);
  }

  Metric metric_;
  std::size_t dimension_;
  float size_;
  const Kernels& kernels_;
};

}  // namespace vectorizer::index
