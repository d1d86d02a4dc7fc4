#include "parse_value.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>
#include <vector>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer::config {
namespace {

constexpr std::size_t kMaxTextBytes = 4096;
constexpr std::size_t kShownBytes = 60;

/// A value as it may stand in a message: short, on one line.
std::string shown(std::string_view text) {
  std::string out;
  append_json_string(out, text.substr(0, kShownBytes));
  if (text.size() > kShownBytes) out += "...";
  return out;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> list;
  while (!text.empty()) {
    const auto space = text.find(' ');
    list.push_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return list;
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

bool is_name(std::string_view text, std::string_view punctuation) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           punctuation.find(c) != std::string_view::npos;
  });
}

std::optional<std::string> broken_rule(TextRule rule, std::string_view text) {
  switch (rule) {
    case TextRule::kAny:
    case TextRule::kOptional:
    case TextRule::kSecret:
      return std::nullopt;
    case TextRule::kOptionalListenHost:
      return text.empty() ? std::nullopt : broken_rule(TextRule::kListenHost, text);
    case TextRule::kOptionalHost:
      return text.empty() ? std::nullopt : broken_rule(TextRule::kHost, text);
    case TextRule::kNotEmpty:
      return text.empty() ? std::optional<std::string>("must not be empty") : std::nullopt;
    case TextRule::kListenHost:
      if (text == "localhost" || is_ip_address(std::string(text))) return std::nullopt;
      return fmt::format("must be an IP address or localhost, not {}", shown(text));
    case TextRule::kNodeId:
      if (is_name(text, "_.-")) return std::nullopt;
      return fmt::format("must be 1 to 255 of letters, digits, '_', '.' and '-', not {}", shown(text));
    case TextRule::kHost:
      if (is_name(text, ".-_") || is_ip_address(std::string(text))) return std::nullopt;
      return fmt::format("must be a host name or an IP address, not {}", shown(text));
  }
  return std::nullopt;
}

template <typename Number>
std::string number_text(Number value) {
  return fmt::format("{}", value);
}
std::string bound_text(double value) {
  return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::optional<std::string> assign_bool(bool& target, std::string_view text) {
  if (text != "true" && text != "false") return fmt::format("must be true or false, not {}", shown(text));
  target = text == "true";
  return std::nullopt;
}

template <typename Number>
std::optional<std::string> assign_number(Number& target, const ValueRules& rules, std::string_view text) {
  Number value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size() && !text.empty();
  const auto range =
      fmt::format("must be between {} and {}, not {}", bound_text(rules.min), bound_text(rules.max), shown(text));
  if (problem == std::errc::result_out_of_range && whole) return range;
  if (problem != std::errc() || !whole) {
    // A negative number is a number, but none that fits.
    double wide = 0;
    const auto as_double = std::from_chars(text.data(), text.data() + text.size(), wide);
    const bool integer = as_double.ec == std::errc() && as_double.ptr == text.data() + text.size() &&
                         std::isfinite(wide) && wide == std::floor(wide) && text.find_first_of(".eE") == text.npos;
    if (integer) return range;
    return fmt::format("must be {}, not {}", std::is_integral_v<Number> ? "an integer" : "a number", shown(text));
  }
  const auto wide = static_cast<double>(value);
  if (!(wide >= rules.min && wide <= rules.max)) return range;
  target = value;
  return std::nullopt;
}

std::optional<std::string> assign_text(std::string& target, const ValueRules& rules, std::string_view text) {
  if (text.size() > kMaxTextBytes) return fmt::format("must have at most {} bytes", kMaxTextBytes);
  if (text.find('\0') != std::string_view::npos) return "must not hold a zero byte";
  if (!rules.choices.empty()) {
    const auto choices = words(rules.choices);
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return fmt::format("must be one of {}, not {}", fmt::join(choices, ", "), shown(text));
    }
  }
  if (auto broken = broken_rule(rules.rule, text)) return broken;
  target = text;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> assign(Target target, const ValueRules& rules, std::string_view text) {
  return std::visit(
      [&](auto* value) -> std::optional<std::string> {
        using Value = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return assign_bool(*value, text);
        } else if constexpr (std::is_same_v<Value, std::string>) {
          return assign_text(*value, rules, text);
        } else {
          return assign_number(*value, rules, text);
        }
      },
      target);
}

std::string_view type_name(const Target& target) {
  if (std::holds_alternative<bool*>(target)) return "boolean";
  if (std::holds_alternative<std::string*>(target)) return "text";
  return std::holds_alternative<double*>(target) ? "number" : "integer";
}

std::string to_text(const Target& target) {
  return std::visit(
      [](const auto* value) -> std::string {
        using Value = std::remove_cv_t<std::remove_pointer_t<decltype(value)>>;
        if constexpr (std::is_same_v<Value, std::string>) {
          std::string quoted;
          append_json_string(quoted, *value);
          return quoted;
        } else {
          return number_text(*value);
        }
      },
      target);
}

std::string range_text(const Target& target, const ValueRules& rules) {
  if (std::holds_alternative<bool*>(target)) return "true, false";
  if (std::holds_alternative<std::string*>(target)) return fmt::format("{}", fmt::join(words(rules.choices), ", "));
  return bound_text(rules.min) + ".." + bound_text(rules.max);
}

}  // namespace vectorizer::config
