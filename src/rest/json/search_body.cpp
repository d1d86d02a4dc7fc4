#include "json/search_body.hpp"

#include <fmt/format.h>

#include "json/point_values.hpp"

namespace vectorizer::rest {
namespace {

struct SearchFields {
  std::optional<std::size_t> dimension;  ///< of the vector that was sent
  SearchQuery query;
};

Result<void> read_params(JsonValue& value, const FieldPath& path, SearchQuery& out) {
  ASSIGN_OR_RETURN(JsonObject object, read_member_object(value, path));
  return for_each_member(object, [&](std::string_view key, JsonValue member) -> Result<void> {
    if (key == "ef") {
      ASSIGN_OR_RETURN(const auto ef, read_unsigned(member, path.member("ef"), 1, kMaxEf));
      out.ef = static_cast<std::uint32_t>(ef);
    } else if (key == "exact") {
      ASSIGN_OR_RETURN(out.exact, read_bool(member, path.member("exact")));
    } else if (key == "rescore") {
      ASSIGN_OR_RETURN(out.rescore, read_bool(member, path.member("rescore")));
    } else {
      return unknown_field(path, key);
    }
    return {};
  });
}

/// The members that say which results are wanted; false when `key` is none of them.
Result<bool> read_result_field(std::string_view key, JsonValue& value, const FieldPath& path,
                               const config::LimitSettings& limits, SearchQuery& out) {
  if (key == "limit") {
    ASSIGN_OR_RETURN(out.limit, read_unsigned(value, path.member("limit"), 1, limits.max_results));
  } else if (key == "offset") {
    ASSIGN_OR_RETURN(out.offset, read_unsigned(value, path.member("offset"), 0, limits.max_results));
  } else if (key == "filter") {
    ASSIGN_OR_RETURN(out.filter, read_filter(value, path.member("filter"), limits));
  } else if (key == "with_payload") {
    RETURN_IF_ERROR(read_with_payload(value, path.member("with_payload"), out.projection));
  } else if (key == "with_vector") {
    ASSIGN_OR_RETURN(out.projection.with_vector, read_bool(value, path.member("with_vector")));
  } else if (key == "score_threshold") {
    ASSIGN_OR_RETURN(out.score_threshold, read_float(value, path.member("score_threshold")));
  } else {
    return false;
  }
  return true;
}

Result<void> read_search_fields(JsonObject& object, const FieldPath& path, std::uint32_t dimension,
                                const config::LimitSettings& limits, SearchFields& out) {
  return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
    if (key == "vector") {
      ASSIGN_OR_RETURN(out.dimension, read_vector(value, path.member("vector"), dimension, out.query.vector));
    } else if (key == "params") {
      return read_params(value, path.member("params"), out.query);
    } else if (key == "timeout_ms") {
      ASSIGN_OR_RETURN(const auto timeout, read_unsigned(value, path.member("timeout_ms"), 1, kMaxTimeoutMs));
      out.query.timeout_ms = static_cast<std::uint32_t>(timeout);
    } else if (key == "allow_partial") {
      ASSIGN_OR_RETURN(out.query.allow_partial, read_bool(value, path.member("allow_partial")));
    } else if (key == "consistency") {
      ASSIGN_OR_RETURN(out.query.consistency, read_consistency(value, path.member("consistency")));
    } else {
      ASSIGN_OR_RETURN(const bool known, read_result_field(key, value, path, limits, out.query));
      if (!known) return unknown_field(path, key);
    }
    return {};
  });
}

/// What only the whole object shows.
Result<void> check_search(const SearchFields& fields, const FieldPath& path, std::uint32_t dimension,
                          std::optional<std::size_t> index, const config::LimitSettings& limits) {
  if (!fields.dimension) return missing_field(path.member("vector"));
  if (*fields.dimension != dimension) return dimension_mismatch(dimension, *fields.dimension, index);
  if (fields.query.offset + fields.query.limit > limits.max_results) {
    return invalid_field(path.member("offset").text(),
                         fmt::format("offset + limit must be at most {}", limits.max_results));
  }
  return {};
}

Result<SearchQuery> read_batch_entry(JsonValue& value, const FieldPath& path, std::size_t index,
                                     std::uint32_t dimension, const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(JsonObject object, read_member_object(value, path));
  SearchFields fields;
  RETURN_IF_ERROR(read_search_fields(object, path, dimension, limits, fields));
  RETURN_IF_ERROR(check_search(fields, path, dimension, index, limits));
  return std::move(fields.query);
}

}  // namespace

Result<SearchQuery> parse_search(std::string_view body, std::uint32_t dimension, const config::LimitSettings& limits) {
  SearchFields fields;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return read_search_fields(object, FieldPath(), dimension, limits, fields);
  }));
  RETURN_IF_ERROR(check_search(fields, FieldPath(), dimension, std::nullopt, limits));
  return std::move(fields.query);
}

Result<std::vector<SearchQuery>> parse_search_batch(std::string_view body, std::uint32_t dimension,
                                                    const config::LimitSettings& limits) {
  const FieldPath path("searches");
  std::vector<SearchQuery> queries;
  bool present = false;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue list) -> Result<void> {
      if (key != "searches") return unknown_field(FieldPath(), key);
      present = true;
      queries.clear();
      return for_each_element(list, path, [&](std::size_t index, JsonValue item) -> Result<void> {
        if (index >= limits.max_batch_searches) return too_many(path, limits.max_batch_searches);
        ASSIGN_OR_RETURN(auto query, read_batch_entry(item, path.at(index), index, dimension, limits));
        queries.push_back(std::move(query));
        return {};
      });
    });
  }));
  if (!present) return missing_field(path);
  if (queries.empty()) return invalid_field("searches", "must not be empty");
  return queries;
}

}  // namespace vectorizer::rest
