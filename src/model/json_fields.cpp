#include "json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vectorizer {

using nlohmann::json;

namespace {

// Client text goes into messages: cut at a character, never inside one.
std::string_view cut(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text;
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) --max;
  return text.substr(0, max);
}

}  // namespace

std::string join_field(std::string_view parent, std::string_view member) {
  constexpr std::size_t kMaxName = 128;
  return parent.empty() ? std::string(cut(member, kMaxName)) : fmt::format("{}.{}", parent, cut(member, kMaxName));
}

std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  constexpr std::size_t kMaxShown = 64;
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= kMaxShown ? text : fmt::format("{}…", cut(text, kMaxShown));
}

Result<void> check_members(const json& value, std::string_view field, std::initializer_list<std::string_view> known) {
  const std::string_view name = field.empty() ? "body" : field;
  if (!value.is_object()) return invalid_field(name, fmt::format("must be an object, not {}", shown(value)));
  for (const auto& item : value.items()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      return invalid_field(join_field(field, item.key()),
                           fmt::format("unknown field; known are {}", fmt::join(known, ", ")));
    }
  }
  return {};
}

Result<void> read_integer(const json& object, std::string_view parent, std::string_view member, std::uint32_t min,
                          std::uint32_t max, std::uint32_t& out) {
  const auto found = object.find(member);
  if (found == object.end()) return {};
  // Negative integers have the signed type alone; non-negative ones from the parser are unsigned.
  const bool in_range = found->is_number_unsigned()
                            ? found->get<std::uint64_t>() >= min && found->get<std::uint64_t>() <= max
                            : found->is_number_integer() && found->get<std::int64_t>() >= std::int64_t{min} &&
                                  found->get<std::int64_t>() <= std::int64_t{max};
  if (!in_range) {
    return invalid_field(join_field(parent, member),
                         fmt::format("must be an integer from {} to {}, not {}", min, max, shown(*found)));
  }
  out = found->get<std::uint32_t>();
  return {};
}

Result<void> read_number(const json& object, std::string_view parent, std::string_view member, double min, double max,
                         double& out) {
  const auto found = object.find(member);
  if (found == object.end()) return {};
  const double value = found->is_number() ? found->get<double>() : std::nan("");
  if (!(value >= min && value <= max)) {
    return invalid_field(join_field(parent, member),
                         fmt::format("must be a number from {} to {}, not {}", min, max, shown(*found)));
  }
  out = value;
  return {};
}

Result<void> read_boolean(const json& object, std::string_view parent, std::string_view member, bool& out) {
  const auto found = object.find(member);
  if (found == object.end()) return {};
  if (!found->is_boolean()) {
    return invalid_field(join_field(parent, member), fmt::format("must be true or false, not {}", shown(*found)));
  }
  out = found->get<bool>();
  return {};
}

}  // namespace vectorizer
