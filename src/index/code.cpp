#include "code.hpp"

#include <algorithm>

namespace vectorizer::index {
namespace {

/// Calls `store(i, level)` with the level, 0..255, of each component.
template <typename Store>
CodeMeta quantize(std::span<const float> vector, Store store) {
  double mean = 0;
  double low = vector[0];
  double high = vector[0];
  for (const float value : vector) {
    mean += value;
    low = std::min<double>(low, value);
    high = std::max<double>(high, value);
  }
  mean /= static_cast<double>(vector.size());
  const double scale = (high - low) / 255;
  const double inverse = scale > 0 ? 1 / scale : 0;
  double squared_norm = 0;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const double value = vector[i];
    squared_norm += (value - mean) * (value - mean);
    const auto level = static_cast<std::uint32_t>(std::min(255.0, (value - low) * inverse) + 0.5);
    sum += level;
    store(i, level);
  }
  return {static_cast<float>(mean), static_cast<float>(scale), static_cast<float>(squared_norm), sum};
}

}  // namespace

CodeMeta encode(std::span<const float> vector, std::uint8_t* codes) {
  return quantize(vector, [codes](std::size_t i, std::uint32_t level) { codes[i] = static_cast<std::uint8_t>(level); });
}

QueryCode encode_query(std::span<const float> query, std::int8_t* codes) {
  const CodeMeta meta = quantize(query, [codes](std::size_t i, std::uint32_t level) {
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(level) - 128);
  });
  const double average = static_cast<double>(meta.code_sum) / static_cast<double>(query.size()) - 128;
  return {codes, meta.mean, meta.scale, meta.squared_norm, average};
}

}  // namespace vectorizer::index
