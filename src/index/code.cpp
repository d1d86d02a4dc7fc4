#include "code.hpp"

#include <algorithm>
#include <cmath>

namespace vectorizer::index {
namespace {

struct Range {
  double mean = 0, low = 0, high = 0, squared_norm = 0;
};

Range range_of(std::span<const float> vector) {
  Range range{0, vector[0], vector[0], 0};
  for (const float value : vector) {
    const double wide = value;
    range.mean += wide;
    range.low = std::min(range.low, wide);
    range.high = std::max(range.high, wide);
  }
  range.mean /= static_cast<double>(vector.size());
  for (const float value : vector) range.squared_norm += (value - range.mean) * (value - range.mean);
  return range;
}

}  // namespace

CodeMeta encode(std::span<const float> vector, std::uint8_t* codes) {
  const Range range = range_of(vector);
  const double scale = (range.high - range.low) / 255;
  const double inverse = scale > 0 ? 1 / scale : 0;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const double level = std::min(255.0, (vector[i] - range.low) * inverse);
    codes[i] = static_cast<std::uint8_t>(level + 0.5);
    sum += codes[i];
  }
  return {static_cast<float>(range.mean), static_cast<float>(scale), static_cast<float>(range.squared_norm), sum};
}

QueryCode encode_query(std::span<const float> query, std::int8_t* codes) {
  const Range range = range_of(query);
  const double scale = std::max(range.high - range.mean, range.mean - range.low) / 127;
  const double inverse = scale > 0 ? 1 / scale : 0;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const double level = std::clamp((query[i] - range.mean) * inverse, -127.0, 127.0);
    codes[i] = static_cast<std::int8_t>(level + (level < 0 ? -0.5 : 0.5));
    sum += codes[i];
  }
  return {codes, static_cast<float>(range.mean), static_cast<float>(scale), static_cast<float>(range.squared_norm),
          static_cast<float>(sum) / static_cast<float>(query.size())};
}

}  // namespace vectorizer::index
