#include "json/ondemand.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "http.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::rest {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

static_assert(Request::kBodyPadding >= simdjson::SIMDJSON_PADDING);

/// A parser that grew past this for one large body gives its memory back afterwards.
constexpr std::size_t kKeptParserBytes = 8U << 20;
/// Levels that a body wraps around a payload or a filter, whose own depth is what is limited.
constexpr std::size_t kEnvelopeDepth = 4;

/// The error of a body that the fast parser refused: parsed again by the one that knows the offset.
Error explain_malformed(std::string_view body, const config::LimitSettings& limits, Error found) {
  auto parsed = parse_json(body, limits.max_json_depth + kEnvelopeDepth);
  if (!parsed) return std::move(parsed).error();
  return found;
}

/// Accepts any text that is JSON by its grammar, whatever its numbers are; keeps nothing of it.
class Grammar : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(string_t& /*name*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/, const nlohmann::json::exception& why) override {
    broken_ = dynamic_cast<const nlohmann::json::out_of_range*>(&why) == nullptr;  // else only a number's range
    return false;
  }
  bool broken() const { return broken_; }

 private:
  bool broken_ = false;
};

bool is_broken(std::string_view body) {
  Grammar grammar;
  nlohmann::json::sax_parse(body.begin(), body.end(), &grammar);
  return grammar.broken();
}

Result<ondemand::json_type> type_of(JsonValue& value) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  return type;
}

/// Checks every token of a value; simdjson checks the structure of what is iterated, and skips what is not.
Result<void> check_value(JsonValue value, const FieldPath& path, std::uint32_t depth_left) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  switch (type) {
    case ondemand::json_type::object: {
      if (depth_left == 0) return invalid_field(path.text(), "is nested too deeply");
      JsonObject object;
      if (value.get_object().get(object) != SUCCESS) return malformed_json();
      return for_each_member(
          object, [&](std::string_view, JsonValue member) { return check_value(member, path, depth_left - 1); });
    }
    case ondemand::json_type::array:
      if (depth_left == 0) return invalid_field(path.text(), "is nested too deeply");
      return for_each_element(
          value, path, [&](std::size_t, JsonValue element) { return check_value(element, path, depth_left - 1); });
    case ondemand::json_type::number: {
      double number = 0;
      if (value.get_double().get(number) != SUCCESS) return malformed_json();
      return {};
    }
    case ondemand::json_type::string: {
      std::string_view text;
      if (value.get_string().get(text) != SUCCESS) return malformed_json();
      return {};
    }
    case ondemand::json_type::boolean: {
      bool flag = false;
      if (value.get_bool().get(flag) != SUCCESS) return malformed_json();
      return {};
    }
    case ondemand::json_type::null: {
      ASSIGN_OR_RETURN(const bool null, is_null(value));
      if (!null) return malformed_json();
      return {};
    }
  }
  return malformed_json();
}

Result<void> read_document(ondemand::parser& parser, std::string_view body,
                           const std::function<Result<void>(JsonObject&)>& read) {
  if (body.starts_with("\xEF\xBB\xBF")) return malformed_json();  // newer versions of simdjson skip it
  ondemand::document document;
  const simdjson::padded_string_view padded(body.data(), body.size(), body.size() + Request::kBodyPadding);
  if (parser.iterate(padded).get(document) != SUCCESS) return malformed_json();
  ondemand::json_type type;
  if (document.type().get(type) != SUCCESS) return malformed_json();
  if (type != ondemand::json_type::object) {
    return invalid_field("body", "must be a JSON object");
  }
  JsonObject object;
  if (document.get_object().get(object) != SUCCESS) return malformed_json();
  RETURN_IF_ERROR(read(object));
  const char* trailing = nullptr;  // a token after the object, which has closed
  if (document.current_location().get(trailing) == SUCCESS) return malformed_json();
  return {};
}

}  // namespace

Error malformed_json() {
  return Error{ErrorType::kBadJson, "the body is not valid JSON"};
}

Result<void> read_object(std::string_view body, const config::LimitSettings& limits,
                         const std::function<Result<void>(JsonObject&)>& read) {
  if (body.empty()) return explain_malformed(body, limits, malformed_json());
  thread_local ondemand::parser parser;
  auto outcome = read_document(parser, body, read);
  if (parser.capacity() > kKeptParserBytes) parser = ondemand::parser();
  if (outcome) return outcome;
  const auto type = outcome.error().type;
  if (type == ErrorType::kBadJson) return explain_malformed(body, limits, outcome.error());
  // What is wrong with a member says little when the text is no JSON: `{"ids":tru}`.
  const bool about_member = type == ErrorType::kValidation || type == ErrorType::kDimensionMismatch;
  if (about_member && is_broken(body)) return explain_malformed(body, limits, malformed_json());
  return outcome;
}

Error unknown_field(const FieldPath& parent, std::string_view name) {
  return invalid_field(parent.member(name.empty() ? "\"\"" : name).text(), "is not a known field");
}

Error missing_field(const FieldPath& path) {
  return invalid_field(path.text(), "is required");
}

Result<bool> is_null(JsonValue& value) {
  bool null = false;
  if (simdjson::simdjson_result<bool>(value.is_null()).get(null) != SUCCESS) return malformed_json();
  return null;
}

Result<JsonObject> read_member_object(JsonValue& value, const FieldPath& path) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  if (type != ondemand::json_type::object) return invalid_field(path.text(), "must be an object");
  JsonObject object;
  if (value.get_object().get(object) != SUCCESS) return malformed_json();
  return object;
}

Result<bool> read_bool(JsonValue& value, const FieldPath& path) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  if (type != ondemand::json_type::boolean) return invalid_field(path.text(), "must be true or false");
  bool flag = false;
  if (value.get_bool().get(flag) != SUCCESS) return malformed_json();
  return flag;
}

Result<std::uint64_t> read_unsigned(JsonValue& value, const FieldPath& path, std::uint64_t min, std::uint64_t max) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  std::uint64_t number = 0;
  if (type != ondemand::json_type::number || value.get_uint64().get(number) != SUCCESS || number < min ||
      number > max) {
    return invalid_field(path.text(), fmt::format("must be a whole number from {} to {}", min, max));
  }
  return number;
}

Result<float> read_float(JsonValue& value, const FieldPath& path) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  if (type != ondemand::json_type::number) return invalid_field(path.text(), "must be a number");
  double wide = 0;
  const bool read = value.get_double().get(wide) == SUCCESS;
  const auto number = static_cast<float>(wide);
  if (!read || !std::isfinite(number)) return invalid_field(path.text(), "is not a finite 32-bit float");
  return number;
}

Result<std::string> read_string(JsonValue& value, const FieldPath& path) {
  ASSIGN_OR_RETURN(const auto type, type_of(value));
  if (type != ondemand::json_type::string) return invalid_field(path.text(), "must be a string");
  std::string_view text;
  if (value.get_string().get(text) != SUCCESS) return malformed_json();
  return std::string(text);
}

Result<std::string_view> read_raw_object(JsonValue& value, const FieldPath& path, std::uint32_t max_depth) {
  ASSIGN_OR_RETURN(JsonObject object, read_member_object(value, path));
  std::string_view raw;
  if (object.raw_json().get(raw) != SUCCESS) return malformed_json();
  bool has_members = false;
  if (object.reset().get(has_members) != SUCCESS) return malformed_json();
  if (has_members) {
    if (max_depth == 0) return invalid_field(path.text(), "is nested too deeply");
    RETURN_IF_ERROR(for_each_member(
        object, [&](std::string_view, JsonValue member) { return check_value(member, path, max_depth - 1); }));
  }
  const auto last = raw.find_last_of('}');
  if (last == std::string_view::npos) return malformed_json();
  return raw.substr(0, last + 1);  // the raw text runs up to the next token
}

}  // namespace vectorizer::rest
