#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vectorizer {

enum class Metric : std::uint8_t { kCosine, kEuclidean, kDot };
std::string_view metric_name(Metric metric);
std::optional<Metric> metric_from_name(std::string_view name);
/// True where a larger score is a better one (cosine, dot); euclidean scores are distances.
inline bool larger_is_better(Metric metric) {
  return metric != Metric::kEuclidean;
}

/// How a collection keeps the vectors that a search walks and rescores; see docs/decisions.
enum class Quantization : std::uint8_t { kNone, kInt8 };
std::string_view quantization_name(Quantization quantization);
std::optional<Quantization> quantization_from_name(std::string_view name);

/// Where full-precision vectors live: memory, or a mapped file that is paged in for rescoring.
enum class VectorStorage : std::uint8_t { kMemory, kMmap };
std::string_view vector_storage_name(VectorStorage storage);
std::optional<VectorStorage> vector_storage_from_name(std::string_view name);

}  // namespace vectorizer
