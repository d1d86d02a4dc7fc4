#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vectorizer::config {

/// The known name that `wrong` was probably meant to be, or nothing: few letters apart, or the same last part.
std::optional<std::string> nearest_name(std::string_view wrong, std::span<const std::string> known);

/// "unknown key", with the suggestion if there is one.
std::string unknown_key(std::string_view wrong, std::span<const std::string> known);

/// Every path that a file may hold: sections, keys and cluster.servers.
const std::vector<std::string>& known_paths();

}  // namespace vectorizer::config
