#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

/// The numbers of a vector as people write it: a JSON array, or numbers between commas or white space. Errors say which
/// number is wrong.
Result<std::vector<float>> parse_vector(std::string_view text);

/// The same from a file, or from stdin for "-".
Result<std::vector<float>> read_vector(const std::string& path);

/// The id of a point: a number if it is written as one, else a string; in double quotes always a string.
Result<nlohmann::json> parse_point_id(const std::string& text);

}  // namespace vectorizer::client
