#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// `parent.member`, or `member` at the top of a body.
std::string join_field(std::string_view parent, std::string_view member);

/// validation_error unless `json` is an object whose members are all in `known`; names the first that is not.
Result<void> check_members(const nlohmann::json& json, std::string_view field,
                           std::initializer_list<std::string_view> known);

/// Reads `object[member]` into `out` when it is there and leaves `out` alone when it is not. An integer is a JSON
/// integer: 512.0 and 5.12e2 are not, so that a client never learns of a rounding by accident.
Result<void> read_integer(const nlohmann::json& object, std::string_view parent, std::string_view member,
                          std::uint32_t min, std::uint32_t max, std::uint32_t& out);
Result<void> read_number(const nlohmann::json& object, std::string_view parent, std::string_view member, double min,
                         double max, double& out);
Result<void> read_boolean(const nlohmann::json& object, std::string_view parent, std::string_view member, bool& out);

/// For messages: what kind of value the client sent, cut to a length that is safe to echo.
std::string shown(const nlohmann::json& json);

}  // namespace vectorizer
