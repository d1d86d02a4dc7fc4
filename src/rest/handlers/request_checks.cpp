#include "handlers/request_checks.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "json/point_values.hpp"
#include "json/session_token.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::rest {

Result<void> check_query(const Request& request, std::initializer_list<std::string_view> allowed) {
  for (const auto& given : request.query) {
    const auto& name = given.first;
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      return invalid_field(printable(name), "is not a known query parameter");
    }
    const auto times = std::count_if(request.query.begin(), request.query.end(),
                                     [&](const auto& parameter) { return parameter.first == name; });
    if (times > 1) return invalid_field(name, "is there twice");
  }
  return {};
}

Result<bool> query_flag(const Request& request, std::string_view name, bool fallback) {
  const auto value = request.query_value(name);
  if (!value) return fallback;
  if (*value == "true") return true;
  if (*value == "false") return false;
  return invalid_field(name, "must be true or false");
}

Result<BodyKind> body_kind(const Request& request, bool binary_allowed) {
  const auto& type = request.content_type;
  if (type.empty() || type == "application/json") return BodyKind::kJson;
  if (type == "application/x-www-form-urlencoded" && !request.has_origin) return BodyKind::kJson;
  if (type == "application/octet-stream" && binary_allowed) return BodyKind::kBinary;
  return Error{ErrorType::kUnsupportedMediaType,
               fmt::format("a body of type {} is not understood here", printable(type))}
      .with("content_type", printable(type));
}

Result<void> check_json_body(const Request& request) {
  auto kind = body_kind(request, false);
  if (!kind) return std::move(kind).error();
  return {};
}

Result<std::string> collection_of(const Request& request) {
  const std::string& name = request.params.at(0);
  if (valid_collection_name(name)) return name;
  const auto shown = printable(name);
  return Error{ErrorType::kCollectionNotFound, fmt::format("collection '{}' does not exist", shown)}.with("name",
                                                                                                          shown);
}

Result<PointId> point_id_of(const Request& request) {
  const auto type = request.query_value("id_type");
  if (type && *type != "string" && *type != "integer") return invalid_field("id_type", "must be string or integer");
  ASSIGN_OR_RETURN(auto id, point_id_from_path(request.params.at(1), type && *type == "string"));
  if (type && *type == "integer" && !id.is_integer()) return invalid_field("id", "is not an unsigned 64-bit integer");
  return id;
}

Result<Target> target_of(const Services& services, const Request& request, Body body,
                         std::initializer_list<std::string_view> parameters) {
  RETURN_IF_ERROR(check_query(request, parameters));
  Target target;
  if (const auto consistency = request.query_value("consistency")) {
    ASSIGN_OR_RETURN(target.consistency, parse_consistency(*consistency, FieldPath("consistency")));
  }
  if (!request.session_token.empty()) {
    ASSIGN_OR_RETURN(target.session, decode_session_token(request.session_token));
  }
  ASSIGN_OR_RETURN(target.collection, collection_of(request));
  ASSIGN_OR_RETURN(target.shape, services.data.shape(target.collection));
  if (body != Body::kNone) {
    ASSIGN_OR_RETURN(target.body, body_kind(request, body == Body::kJsonOrBinary));
  }
  return target;
}

ReadFrom read_from(const Services& services, const Request& request, const Target& target, Consistency in_body) {
  return {target.consistency.value_or(in_body), target.session,
          Deadline(request.received, services.server.read_timeout_ms)};
}

std::string printable(std::string_view text) {
  std::string out(text);
  if (simdjson::validate_utf8(out.data(), out.size())) return out;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

Response json_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response answer(const Request& request, Result<Response> outcome) {
  if (outcome) return *std::move(outcome);
  return error_response(outcome.error(), request.request_id);
}

}  // namespace vectorizer::rest
