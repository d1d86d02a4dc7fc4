#include "json/read_body.hpp"

#include "json/cursor.hpp"
#include "json/point_values.hpp"

namespace vectorizer::rest {
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
        ASSIGN_OR_RETURN(out.consistency, read_consistency(value, FieldPath("consistency")));
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  if (!has_ids) return missing_field(FieldPath("ids"));
  return out;
}

Result<ScrollBody> parse_scroll(std::string_view body, const config::LimitSettings& limits) {
  ScrollBody out;
  if (body.empty()) return out;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      if (key == "limit") {
        ASSIGN_OR_RETURN(out.query.limit, read_unsigned(value, FieldPath("limit"), 1, limits.max_results));
      } else if (key == "cursor") {
        ASSIGN_OR_RETURN(const bool null, is_null(value));
        if (null) return {};  // the next_cursor of a scroll that has not begun
        ASSIGN_OR_RETURN(const auto text, read_string(value, FieldPath("cursor")));
        ASSIGN_OR_RETURN(out.query.after, decode_cursor(text));
      } else if (key == "filter") {
        ASSIGN_OR_RETURN(out.query.filter, read_filter(value, FieldPath("filter"), limits));
      } else if (key == "with_vector") {
        ASSIGN_OR_RETURN(out.query.projection.with_vector, read_bool(value, FieldPath("with_vector")));
      } else if (key == "with_payload") {
        return read_with_payload(value, FieldPath("with_payload"), out.query.projection);
      } else if (key == "consistency") {
        ASSIGN_OR_RETURN(out.consistency, read_consistency(value, FieldPath("consistency")));
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  return out;
}

Result<CountBody> parse_count(std::string_view body, const config::LimitSettings& limits) {
  CountBody out;
  if (body.empty()) return out;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      if (key == "filter") {
        ASSIGN_OR_RETURN(out.filter, read_filter(value, FieldPath("filter"), limits));
      } else if (key == "consistency") {
        ASSIGN_OR_RETURN(out.consistency, read_consistency(value, FieldPath("consistency")));
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  return out;
}

}  // namespace vectorizer::rest
