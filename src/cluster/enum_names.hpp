#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace vectorizer::cluster {

/// The enumerator that has this name in a list of the names of all, in their order; nothing for none.
template <typename Enum, std::size_t kCount>
std::optional<Enum> from_name(const std::array<std::string_view, kCount>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace vectorizer::cluster
