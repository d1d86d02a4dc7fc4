#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "vectorizer/base/result.hpp"

namespace vectorizer::cluster {

/// Thrown and caught within the codecs only (see `reading`), beside what nlohmann throws.
struct Damage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A number that Integer holds; get() would cut off what is too large, and is undefined for most fractions.
template <typename Integer>
Integer integer_of(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
  }
  throw Damage(fmt::format("{} is out of place", value.is_structured() ? value.type_name() : value.dump()));
}

/// Of anything but an array nlohmann would make an array: none of null, one item of a number.
inline const nlohmann::json& array_at(const nlohmann::json& object, const char* key) {
  const nlohmann::json& array = object.at(key);
  if (!array.is_array()) throw Damage(fmt::format("'{}' is no array", key));
  return array;
}

template <typename Enum>
Enum choice_of(const nlohmann::json& value, std::optional<Enum> (*from_name)(std::string_view)) {
  const auto found = from_name(value.get_ref<const std::string&>());
  if (!found) throw Damage(fmt::format("{} is not known", value.dump()));
  return *found;
}

/// `read()`, with what it throws as an error that says that `what` is damaged.
template <typename Read>
auto reading(std::string_view what, Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const nlohmann::json::exception& problem) {
    return Error{ErrorType::kInternal, fmt::format("{} is damaged: {}", what, problem.what())};
  } catch (const Damage& problem) {
    return Error{ErrorType::kInternal, fmt::format("{} is damaged: {}", what, problem.what())};
  }
}

}  // namespace vectorizer::cluster
