#include "json/read_body.hpp"

#include "json/cursor.hpp"
#include "json/point_values.hpp"

namespace vectorizer::rest {
namespace {

/// Checked, and fulfilled whatever it says: reads by id, scrolls and counts are asked of primaries.
Result<void> check_consistency(JsonValue& value) {
  ASSIGN_OR_RETURN([[maybe_unused]] const auto consistency, read_consistency(value, FieldPath("consistency")));
  return {};
}

}  // namespace

Result<GetBody> parse_get(std::string_view body, const config::LimitSettings& limits) {
  GetBody out;
  bool has_ids = false;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      if (key == "ids") {
        ASSIGN_OR_RETURN(out.ids, read_point_ids(value, FieldPath("ids"), limits.max_ids));
        has_ids = true;
      } else if (key == "with_vector") {
        ASSIGN_OR_RETURN(out.what.with_vector, read_bool(value, FieldPath("with_vector")));
      } else if (key == "with_payload") {
        return read_with_payload(value, FieldPath("with_payload"), out.what);
      } else if (key == "consistency") {
        return check_consistency(value);
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  if (!has_ids) return missing_field(FieldPath("ids"));
  return out;
}

Result<ScrollQuery> parse_scroll(std::string_view body, const config::LimitSettings& limits) {
  ScrollQuery out;
  if (body.empty()) return out;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      if (key == "limit") {
        ASSIGN_OR_RETURN(out.limit, read_unsigned(value, FieldPath("limit"), 1, limits.max_results));
      } else if (key == "cursor") {
        ASSIGN_OR_RETURN(const bool null, is_null(value));
        if (null) return {};  // the next_cursor of a scroll that has not begun
        ASSIGN_OR_RETURN(const auto text, read_string(value, FieldPath("cursor")));
        ASSIGN_OR_RETURN(out.after, decode_cursor(text));
      } else if (key == "filter") {
        ASSIGN_OR_RETURN(out.filter, read_filter(value, FieldPath("filter"), limits));
      } else if (key == "with_vector") {
        ASSIGN_OR_RETURN(out.projection.with_vector, read_bool(value, FieldPath("with_vector")));
      } else if (key == "with_payload") {
        return read_with_payload(value, FieldPath("with_payload"), out.projection);
      } else if (key == "consistency") {
        return check_consistency(value);
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  return out;
}

Result<std::optional<Filter>> parse_count(std::string_view body, const config::LimitSettings& limits) {
  std::optional<Filter> out;
  if (body.empty()) return out;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      if (key == "consistency") return check_consistency(value);
      if (key != "filter") return unknown_field(FieldPath(), key);
      ASSIGN_OR_RETURN(out, read_filter(value, FieldPath("filter"), limits));
      return {};
    });
  }));
  return out;
}

}  // namespace vectorizer::rest
