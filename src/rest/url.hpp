#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

/// `%41` becomes `A`, once; nothing when a `%` is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// `a=1&b=x%20y`, decoded; a name without `=` has an empty value.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

/// A path as an error message may show it: printable ASCII, at most 256 bytes.
std::string printable_path(std::string_view path);

}  // namespace vectorizer::rest
