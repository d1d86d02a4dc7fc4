#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "json/field_path.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"

namespace vectorizer::rest {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;

/// What the readers below return for text that is no JSON; read_object() turns it into an error with the offset.
Error malformed_json();

/// The names of one object so far: an object that names a member twice is refused, as parse_json() does.
class SeenNames {
 public:
  /// False if `name` was there already. The text must outlive the object.
  bool insert(std::string_view name) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (few_[i] == name) return false;
    }
    if (count_ == few_.size()) return many_.insert(name).second;
    few_[count_++] = name;
    return true;
  }

 private:
  std::array<std::string_view, 8> few_;
  std::size_t count_ = 0;
  std::set<std::string_view> many_;
};

/// Reads a request body in place, in one pass: `read` gets the outermost object and must consume every member.
/// `body` is followed by Request::kBodyPadding readable bytes. One parser per thread: `read` must not come back here.
Result<void> read_object(std::string_view body, const config::LimitSettings& limits,
                         const std::function<Result<void>(JsonObject&)>& read);

/// Calls `visit(key, value)` for each member, in order; `visit` consumes the value or returns an error.
template <typename Visit>
Result<void> for_each_member(JsonObject& object, Visit&& visit) {
  SeenNames seen;
  for (auto member : object) {
    simdjson::ondemand::field field;
    if (std::move(member).get(field) != simdjson::SUCCESS) return malformed_json();
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS || !seen.insert(key)) return malformed_json();
    RETURN_IF_ERROR(visit(key, field.value()));
  }
  return {};
}

/// Calls `visit(index, value)` for each element of an array.
template <typename Visit>
Result<void> for_each_element(JsonValue value, const FieldPath& path, Visit&& visit) {
  simdjson::ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return malformed_json();
  if (type != simdjson::ondemand::json_type::array) return invalid_field(path.text(), "must be an array");
  simdjson::ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return malformed_json();
  std::size_t index = 0;
  for (auto element : array) {
    JsonValue item;
    if (std::move(element).get(item) != simdjson::SUCCESS) return malformed_json();
    RETURN_IF_ERROR(visit(index, item));
    ++index;
  }
  return {};
}

Error unknown_field(const FieldPath& parent, std::string_view name);
Error missing_field(const FieldPath& path);

Result<bool> is_null(JsonValue& value);
/// The object at `value`, to be iterated once.
Result<JsonObject> read_member_object(JsonValue& value, const FieldPath& path);
Result<bool> read_bool(JsonValue& value, const FieldPath& path);
/// A whole number in [min, max]; 1.0, 1e3 and -1 are refused.
Result<std::uint64_t> read_unsigned(JsonValue& value, const FieldPath& path, std::uint64_t min, std::uint64_t max);
/// A number that fits a finite float.
Result<float> read_float(JsonValue& value, const FieldPath& path);
/// Valid UTF-8, unescaped.
Result<std::string> read_string(JsonValue& value, const FieldPath& path);

/// The text of an object as the client wrote it, once every token in it has been checked.
Result<std::string_view> read_raw_object(JsonValue& value, const FieldPath& path, std::uint32_t max_depth);

}  // namespace vectorizer::rest
