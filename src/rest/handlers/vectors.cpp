#include <fmt/format.h>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/binary_body.hpp"
#include "json/cursor.hpp"
#include "json/read_body.hpp"
#include "json/reply.hpp"
#include "json/write_body.hpp"

namespace vectorizer::rest {
namespace {

/// A write's reply carries the token with which a later read, on whatever node, sees the write.
Response written(std::string body, const std::string& collection) {
  auto response = json_response(std::move(body));
  response.headers.emplace_back("X-Session-Token", encode_session_token(collection));
  return response;
}

Error vector_not_found(const PointId& id) {
  Error error{ErrorType::kVectorNotFound, fmt::format("vector {} does not exist", id.to_json())};
  error.details = fmt::format("{{\"id\":{}}}", id.to_json());
  return error;
}

Result<coordinator::WriteReport> apply(const Services& services, const std::string& collection, BulkChange change);

Result<Response> upsert(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  ASSIGN_OR_RETURN(const auto shape, services.data.shape(collection));
  ASSIGN_OR_RETURN(const auto kind, body_kind(request, true));
  auto ops = kind == BodyKind::kBinary ? parse_binary_upsert(request.body, shape.dimension, services.limits)
                                       : parse_upsert(request.body, shape.dimension, services.limits);
  if (!ops) return std::move(ops).error();
  ASSIGN_OR_RETURN(const auto report, services.data.write(collection, *std::move(ops)));
  return written(fmt::format(R"({{"status":"ok","upserted":{}}})", report.applied), collection);
}

Result<Response> get_one(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"with_vector", "id_type", "consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  Projection what;
  ASSIGN_OR_RETURN(what.with_vector, query_flag(request, "with_vector", true));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  ASSIGN_OR_RETURN(const auto points, services.data.get(collection, std::span(&id, 1), what));
  if (points.empty() || !points.front()) return vector_not_found(id);
  std::string body;
  append_point(body, *points.front(), what);
  return json_response(std::move(body));
}

/// PUT and PATCH: one operation on the id of the path.
Result<Response> change_one(const Services& services, const Request& request, bool put) {
  RETURN_IF_ERROR(check_query(request, {"id_type"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  ASSIGN_OR_RETURN(const auto shape, services.data.shape(collection));
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  auto op = put ? parse_put(request.body, id, shape.dimension, services.limits)
                : parse_patch(request.body, id, shape.dimension, services.limits);
  if (!op) return std::move(op).error();
  std::vector<WriteOp> ops;
  ops.push_back(*std::move(op));
  ASSIGN_OR_RETURN(const auto report, services.data.write(collection, std::move(ops)));
  if (report.applied == 0) return vector_not_found(id);
  return written(put ? R"({"status":"ok","upserted":1})" : R"({"status":"ok","updated":1})", collection);
}

Result<Response> delete_one(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"id_type"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  std::vector<WriteOp> ops(1);
  ops[0].kind = WriteOp::Kind::kDelete;
  ops[0].id = id;
  ASSIGN_OR_RETURN(const auto report, services.data.write(collection, std::move(ops)));
  if (report.applied == 0) return vector_not_found(id);
  return written(R"({"status":"deleted"})", collection);
}

Result<Response> get_many(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto body, parse_get(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto points, services.data.get(collection, body.ids, body.what));
  return json_response(get_reply(body.ids, points, body.what));
}

Result<Response> bulk_change(const Services& services, const Request& request, bool is_delete) {
  RETURN_IF_ERROR(check_query(request, {}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  RETURN_IF_ERROR(check_json_body(request));
  auto change =
      is_delete ? parse_delete(request.body, services.limits) : parse_payload_change(request.body, services.limits);
  if (!change) return std::move(change).error();
  ASSIGN_OR_RETURN(const auto report, apply(services, collection, *std::move(change)));
  return written(fmt::format(R"({{"{}":{}}})", is_delete ? "deleted" : "updated", report.applied), collection);
}

Result<coordinator::WriteReport> apply(const Services& services, const std::string& collection, BulkChange change) {
  if (change.filter) return services.data.write_matching(collection, *change.filter, std::move(change.op));
  if (change.ids->empty()) return coordinator::WriteReport{};
  std::vector<WriteOp> ops(change.ids->size(), change.op);
  for (std::size_t i = 0; i < ops.size(); ++i) ops[i].id = std::move((*change.ids)[i]);
  return services.data.write(collection, std::move(ops));
}

Result<Response> scroll(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto query, parse_scroll(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto reply, services.data.scroll(collection, query));
  return json_response(scroll_reply(reply, query.projection));
}

Result<Response> count(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  const auto shape = services.data.shape(collection);
  if (!shape) return shape.error();
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto filter, parse_count(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto counted, services.data.count(collection, filter));
  return json_response(fmt::format(R"({{"count":{}}})", counted));
}

}  // namespace

std::vector<Route> vector_routes(const Services& services) {
  const auto* s = &services;
  const std::string base = "/collections/{name}/vectors";
  const std::string one = base + "/{id}";
  return {
      {Method::kPost, base, RunOn::kRequestLane, [s](const Request& r) { return answer(r, upsert(*s, r)); }},
      {Method::kGet, one, RunOn::kIoThread, [s](const Request& r) { return answer(r, get_one(*s, r)); }},
      {Method::kPut, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, change_one(*s, r, true)); }},
      {Method::kPatch, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, change_one(*s, r, false)); }},
      {Method::kDelete, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, delete_one(*s, r)); }},
      {Method::kPost, base + "/get", RunOn::kRequestLane, [s](const Request& r) { return answer(r, get_many(*s, r)); }},
      {Method::kPost, base + "/delete", RunOn::kRequestLane,
       [s](const Request& r) { return answer(r, bulk_change(*s, r, true)); }},
      {Method::kPost, base + "/payload", RunOn::kRequestLane,
       [s](const Request& r) { return answer(r, bulk_change(*s, r, false)); }},
      {Method::kPost, base + "/scroll", RunOn::kRequestLane,
       [s](const Request& r) { return answer(r, scroll(*s, r)); }},
      {Method::kPost, base + "/count", RunOn::kRequestLane, [s](const Request& r) { return answer(r, count(*s, r)); }},
  };
}

}  // namespace vectorizer::rest
