#include "vectorizer/model/metric.hpp"

#include <array>

namespace vectorizer {
namespace {

constexpr std::array<std::string_view, 3> kMetrics{"cosine", "euclidean", "dot"};
constexpr std::array<std::string_view, 2> kQuantizations{"none", "int8"};
constexpr std::array<std::string_view, 2> kStorages{"memory", "mmap"};

template <typename Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view metric_name(Metric metric) {
  return kMetrics[static_cast<std::size_t>(metric)];
}
std::optional<Metric> metric_from_name(std::string_view name) {
  return find<Metric>(kMetrics, name);
}
std::string_view quantization_name(Quantization value) {
  return kQuantizations[static_cast<std::size_t>(value)];
}
std::optional<Quantization> quantization_from_name(std::string_view name) {
  return find<Quantization>(kQuantizations, name);
}
std::string_view vector_storage_name(VectorStorage storage) {
  return kStorages[static_cast<std::size_t>(storage)];
}
std::optional<VectorStorage> vector_storage_from_name(std::string_view name) {
  return find<VectorStorage>(kStorages, name);
}

}  // namespace vectorizer
