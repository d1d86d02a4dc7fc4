#include "json/point_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "json/base64.hpp"
#include "vectorizer/base/json_text.hpp"
#include "vectorizer/model/json_parse.hpp"
#include "vectorizer/model/payload_path.hpp"

namespace vectorizer::rest {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

static_assert(std::endian::native == std::endian::little, "vectors travel as little-endian f32 and are copied as such");

constexpr std::string_view kIdRule = "must be an unsigned 64-bit integer or a string of 1 to 256 bytes";

Result<std::size_t> read_number_array(JsonValue& value, const FieldPath& path, std::uint32_t dimension,
                                      std::vector<float>& out) {
  ondemand::array array;
  if (value.get_array().get(array) != SUCCESS) return malformed_json();
  std::size_t count = 0;
  for (auto element : array) {
    JsonValue item;
    if (std::move(element).get(item) != SUCCESS) return malformed_json();
    double wide = 0;
    if (item.get_double().get(wide) != SUCCESS || !std::isfinite(static_cast<float>(wide))) [[unlikely]] {
      auto number = read_float(item, path.at(count));
      if (!number) return std::move(number).error();
      return malformed_json();
    }
    if (count < dimension) out.push_back(static_cast<float>(wide));
    ++count;
  }
  return count;
}

Result<std::size_t> read_base64_vector(JsonValue& value, const FieldPath& path, std::uint32_t dimension,
                                       std::vector<float>& out) {
  std::string_view text;
  if (value.get_string().get(text) != SUCCESS) return malformed_json();
  const auto bytes = decode_base64(text);
  if (!bytes) return invalid_field(path.text(), "is not base64");
  if (bytes->size() % sizeof(float) != 0) {
    return invalid_field(path.text(), fmt::format("is {} bytes, which are no whole number of f32", bytes->size()));
  }
  const std::size_t count = bytes->size() / sizeof(float);
  const std::size_t kept = std::min<std::size_t>(count, dimension);
  RETURN_IF_ERROR(copy_floats(std::string_view(*bytes).substr(0, kept * sizeof(float)), path, out));
  return count;
}

}  // namespace

Result<PointId> read_point_id(JsonValue& value, const FieldPath& path) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  if (type == ondemand::json_type::number) {
    std::uint64_t number = 0;
    if (value.get_uint64().get(number) != SUCCESS) return invalid_field(path.text(), kIdRule);
    return PointId(number);
  }
  if (type != ondemand::json_type::string) return invalid_field(path.text(), kIdRule);
  std::string_view text;
  if (value.get_string().get(text) != SUCCESS) return malformed_json();
  if (text.empty() || text.size() > PointId::kMaxTextBytes) return invalid_field(path.text(), kIdRule);
  return PointId(std::string(text));
}

Result<std::vector<PointId>> read_point_ids(JsonValue& value, const FieldPath& path, std::size_t max_ids,
                                            std::vector<std::size_t>* places) {
  std::vector<PointId> ids;
  std::unordered_set<PointId, PointIdHash> seen;
  RETURN_IF_ERROR(for_each_element(value, path, [&](std::size_t index, JsonValue item) -> Result<void> {
    if (index >= max_ids) return too_many(path, max_ids);
    ASSIGN_OR_RETURN(auto id, read_point_id(item, path.at(index)));
    if (!seen.insert(id).second) return {};
    ids.push_back(std::move(id));
    if (places != nullptr) places->push_back(index);
    return {};
  }));
  return ids;
}

Result<PointId> point_id_from_path(std::string_view text, bool as_string) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!as_string && !text.empty() && std::all_of(text.begin(), text.end(), is_digit)) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool canonical = text.size() == 1 || text[0] != '0';  // 007 names nothing that a body could name
    if (error != std::errc() || end != text.data() + text.size() || !canonical) {
      return invalid_field("id", "digits only mean an unsigned 64-bit integer (?id_type=string for a string)");
    }
    return PointId(number);
  }
  if (!as_string && !text.empty() && (is_digit(text[0]) || (text[0] == '-' && text.size() > 1))) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end == text.data() + text.size() && (error == std::errc() || error == std::errc::result_out_of_range)) {
      return invalid_field("id", "is a number but not an unsigned integer (?id_type=string for a string)");
    }
  }
  if (text.empty() || text.size() > PointId::kMaxTextBytes || !simdjson::validate_utf8(text.data(), text.size())) {
    return invalid_field("id", "must be an unsigned 64-bit integer or 1 to 256 bytes of UTF-8");
  }
  return PointId(std::string(text));
}

Result<std::size_t> read_vector(JsonValue& value, const FieldPath& path, std::uint32_t dimension,
                                std::vector<float>& out) {
  out.clear();
  out.reserve(dimension);
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  if (type == ondemand::json_type::array) return read_number_array(value, path, dimension, out);
  if (type == ondemand::json_type::string) return read_base64_vector(value, path, dimension, out);
  if (type == ondemand::json_type::object) {
    return invalid_field(path.text(), "an object is reserved for named and sparse vectors");
  }
  return invalid_field(path.text(), "must be an array of numbers or a base64 string");
}

Result<void> copy_floats(std::string_view bytes, const FieldPath& path, std::vector<float>& out) {
  out.resize(bytes.size() / sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!std::isfinite(out[i])) return invalid_field(path.at(i).text(), "is not a finite 32-bit float");
  }
  return {};
}

Error dimension_mismatch(std::size_t expected, std::size_t actual, std::optional<std::size_t> index,
                         const PointId* id) {
  auto error = Error{ErrorType::kDimensionMismatch,
                     fmt::format("the collection's vectors have {} dimensions, this one has {}", expected, actual)}
                   .with("expected", expected)
                   .with("actual", actual);
  if (index) error.with("index", static_cast<std::int64_t>(*index));
  if (id != nullptr) {
    error.details.pop_back();
    error.details += ",\"id\":";
    id->append_json(error.details);
    error.details += '}';
  }
  return error;
}

Error too_many(const FieldPath& path, std::uint64_t limit) {
  return invalid_field(path.text(), fmt::format("has more than {} elements", limit)).with("limit", limit);
}

Result<std::string> read_payload(JsonValue& value, const FieldPath& path, const config::LimitSettings& limits) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  if (type == ondemand::json_type::null) {
    ASSIGN_OR_RETURN(const bool null, is_null(value));
    if (!null) return malformed_json();
    return std::string();
  }
  ASSIGN_OR_RETURN(const auto raw, read_raw_object(value, path, limits.max_json_depth));
  if (raw.size() > limits.max_payload_bytes) {
    const auto field = path.text();
    return Error{ErrorType::kPayloadTooLarge,
                 fmt::format("{}: is {} bytes, more than {}", field, raw.size(), limits.max_payload_bytes)}
        .with("field", field)
        .with("limit_bytes", limits.max_payload_bytes);
  }
  return std::string(raw);
}

Result<std::optional<Filter>> read_filter(JsonValue& value, const FieldPath& path,
                                          const config::LimitSettings& limits) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  if (type == ondemand::json_type::null) {
    ASSIGN_OR_RETURN(const bool null, is_null(value));
    if (!null) return malformed_json();
    return std::optional<Filter>();
  }
  ASSIGN_OR_RETURN(JsonObject object, read_member_object(value, path));
  std::string_view raw;
  if (object.raw_json().get(raw) != SUCCESS) return malformed_json();
  auto json = parse_json(raw, limits.max_json_depth);
  if (!json) return Error{ErrorType::kBadJson, path.text() + ": " + json.error().message};
  const FilterLimits filter_limits{limits.max_filter_depth, limits.max_filter_conditions, limits.max_ids};
  ASSIGN_OR_RETURN(auto filter, parse_filter(*json, filter_limits, path.text()));
  return std::optional<Filter>(std::move(filter));
}

Result<std::vector<std::string>> read_payload_paths(JsonValue& value, const FieldPath& path) {
  std::vector<std::string> paths;
  RETURN_IF_ERROR(for_each_element(value, path, [&](std::size_t index, JsonValue item) -> Result<void> {
    if (index >= kMaxPayloadPaths) return too_many(path, kMaxPayloadPaths);
    ASSIGN_OR_RETURN(auto text, read_string(item, path.at(index)));
    if (!parse_payload_path(text)) {
      return invalid_field(path.at(index).text(), "must be names joined by dots, a name that has a dot in quotes");
    }
    paths.push_back(std::move(text));
    return {};
  }));
  return paths;
}

Result<void> read_with_payload(JsonValue& value, const FieldPath& path, Projection& out) {
  ondemand::json_type type;
  if (value.type().get(type) != SUCCESS) return malformed_json();
  out.payload_keys.clear();
  if (type == ondemand::json_type::boolean) {
    ASSIGN_OR_RETURN(out.with_payload, read_bool(value, path));
    return {};
  }
  if (type != ondemand::json_type::array) return invalid_field(path.text(), "must be true, false or a list of paths");
  ASSIGN_OR_RETURN(out.payload_keys, read_payload_paths(value, path));
  out.with_payload = !out.payload_keys.empty();  // no keys: nothing of the payload
  return {};
}

Result<Consistency> read_consistency(JsonValue& value, const FieldPath& path) {
  ASSIGN_OR_RETURN(const auto text, read_string(value, path));
  return parse_consistency(text, path);
}

Result<Consistency> parse_consistency(std::string_view text, const FieldPath& path) {
  if (text == "any") return Consistency::kAny;
  if (text == "primary") return Consistency::kPrimary;
  return invalid_field(path.text(), "must be \"any\" or \"primary\"");
}

}  // namespace vectorizer::rest
