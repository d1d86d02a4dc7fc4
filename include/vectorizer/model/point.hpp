#pragma once

#include <string>
#include <vector>

#include "vectorizer/model/point_id.hpp"

namespace vectorizer {

/// A vector with its id and payload, exactly as the client sent it.
struct Point {
  PointId id;
  std::vector<float> vector;  ///< `dimension` finite floats, not normalised
  std::string payload;        ///< the bytes of a JSON object, validated on the way in; empty for none
};

/// One hit of a search. `score` is what the client sees: similarity (larger is better) or euclidean distance.
struct ScoredPoint {
  PointId id;
  float score = 0;
  std::string payload;        ///< empty when absent or not asked for
  std::vector<float> vector;  ///< empty when not asked for
};

}  // namespace vectorizer
