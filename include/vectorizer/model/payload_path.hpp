#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "vectorizer/model/filter.hpp"

namespace vectorizer {

/// Splits a key as a client writes it: names joined by dots, a name in quotes may hold dots (`a."b.c"`) and, after a
/// backslash, a quote or a backslash. Nothing for an empty name without quotes, an open quote, or more than 32 names or
/// 1024 bytes.
std::optional<PayloadPath> parse_payload_path(std::string_view key);
/// The inverse: quotes only where a name needs them.
std::string format_payload_path(const PayloadPath& path);
void append_payload_path(std::string& out, std::string_view name);

/// Calls `visit` with each value that `path` reaches. An array on the way stands for its elements, at any depth, so one
/// path may reach many values; the value at its end is passed as it is, arrays included. Stops when `visit` says true,
/// and returns whether it did.
template <typename Visit>
bool any_value_at(const nlohmann::json& at, const PayloadPath& path, const Visit& visit, std::size_t depth = 0) {
  if (depth == path.size()) return visit(at);
  if (at.is_array()) {
    for (const auto& element : at) {
      if (any_value_at(element, path, visit, depth)) return true;
    }
    return false;
  }
  if (!at.is_object()) return false;
  const auto found = at.find(path[depth]);
  return found != at.end() && any_value_at(*found, path, visit, depth + 1);
}

/// The same for what conditions compare with: an array is replaced by its elements, at any depth; `[]` has none.
template <typename Visit>
bool any_element(const nlohmann::json& value, const Visit& visit) {
  if (!value.is_array()) return visit(value);
  for (const auto& element : value) {
    if (any_element(element, visit)) return true;
  }
  return false;
}

}  // namespace vectorizer
