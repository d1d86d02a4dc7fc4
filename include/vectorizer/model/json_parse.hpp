#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// How deep JSON from a client may nest: `1` has depth 0, `{}` depth 1, `{"a":[]}` depth 2.
inline constexpr std::size_t kMaxJsonDepth = 32;

/// Parses one JSON document from outside. Stricter than the library: nesting below `max_depth` and a name twice in one
/// object are refused (two readers of such an object could disagree on its value), as are invalid UTF-8 and numbers
/// that no double holds. Errors are bad_json with `details.offset`, the byte where reading stopped, and are safe to
/// echo.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_depth = kMaxJsonDepth);

/// Whether `text` is one JSON object under the rules of parse_json, as every stored payload must be.
Result<void> validate_json_object(std::string_view text, std::size_t max_depth = kMaxJsonDepth);

}  // namespace vectorizer
