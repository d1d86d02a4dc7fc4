#include <fmt/format.h>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/binary_body.hpp"
#include "json/read_body.hpp"
#include "json/reply.hpp"
#include "json/session_token.hpp"
#include "json/write_body.hpp"

namespace vectorizer::rest {
namespace {

/// A write's reply carries the token with which a later read, on whatever node, sees the write, and what the session
/// wrote before.
Response written(std::string body, Target&& target, const coordinator::WriteReport& report) {
  merge_positions(target.session, report.positions);
  auto response = json_response(std::move(body));
  response.headers.emplace_back("X-Session-Token", encode_session_token(target.session));
  return response;
}

Error vector_not_found(const PointId& id) {
  Error error{ErrorType::kVectorNotFound, fmt::format("vector {} does not exist", id.to_json())};
  error.details = fmt::format("{{\"id\":{}}}", id.to_json());
  return error;
}

coordinator::WriteKey key_of(const Request& request) {
  return {request.idempotency_key, request.fingerprint};
}

Result<Response> upsert(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kJsonOrBinary, {}));
  const auto parse = target.body == BodyKind::kBinary ? parse_binary_upsert : parse_upsert;
  ASSIGN_OR_RETURN(auto write, parse(request.body, target.shape.dimension, services.limits));
  ASSIGN_OR_RETURN(const auto report, services.data.write(target.collection, std::move(write.ops),
                                                          std::move(write.places), key_of(request)));
  return written(fmt::format(R"({{"status":"ok","upserted":{}}})", report.applied), std::move(target), report);
}

Result<Response> get_one(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto target,
                   target_of(services, request, Body::kNone, {"with_vector", "id_type", "consistency"}));
  Projection what;
  what.max_bytes = services.server.max_reply_bytes;
  ASSIGN_OR_RETURN(what.with_vector, query_flag(request, "with_vector", true));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  const auto from = read_from(services, request, target, Consistency::kPrimary);
  ASSIGN_OR_RETURN(const auto points, services.data.get(target.collection, std::span(&id, 1), what, from));
  if (points.empty() || !points.front()) return vector_not_found(id);
  std::string body;
  append_point(body, *points.front(), what);
  return json_response(std::move(body));
}

/// One operation on the id of the path, which must be there unless it is put.
Result<Response> write_one(const Services& services, const Request& request, const PointId& id, Target&& target,
                           WriteOp op, std::string_view done) {
  std::vector<WriteOp> ops;
  ops.push_back(std::move(op));
  ASSIGN_OR_RETURN(const auto report, services.data.write(target.collection, std::move(ops), {}, key_of(request)));
  if (report.applied == 0) return vector_not_found(id);
  return written(std::string(done), std::move(target), report);
}

Result<Response> put_one(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kJson, {"id_type"}));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  ASSIGN_OR_RETURN(auto op, parse_put(request.body, id, target.shape.dimension, services.limits));
  return write_one(services, request, id, std::move(target), std::move(op), R"({"status":"ok","upserted":1})");
}

Result<Response> patch_one(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kJson, {"id_type"}));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  ASSIGN_OR_RETURN(auto op, parse_patch(request.body, id, target.shape.dimension, services.limits));
  return write_one(services, request, id, std::move(target), std::move(op), R"({"status":"ok","updated":1})");
}

Result<Response> delete_one(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kNone, {"id_type"}));
  ASSIGN_OR_RETURN(const auto id, point_id_of(request));
  WriteOp op;
  op.kind = WriteOp::Kind::kDelete;
  op.id = id;
  return write_one(services, request, id, std::move(target), std::move(op), R"({"status":"deleted"})");
}

Result<Response> get_many(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto target, target_of(services, request, Body::kJson, {"consistency"}));
  ASSIGN_OR_RETURN(auto body, parse_get(request.body, services.limits));
  body.what.max_bytes = services.server.max_reply_bytes;
  const auto from = read_from(services, request, target, body.consistency);
  ASSIGN_OR_RETURN(const auto points, services.data.get(target.collection, body.ids, body.what, from));
  return json_response(get_reply(body.ids, points, body.what));
}

Result<coordinator::WriteReport> apply(const Services& services, const Request& request, const std::string& collection,
                                       BulkChange change) {
  if (change.filter) {
    return services.data.write_matching(collection, *change.filter, std::move(change.op), key_of(request));
  }
  if (change.ids->empty()) return coordinator::WriteReport{};
  std::vector<WriteOp> ops(change.ids->size(), change.op);
  for (std::size_t i = 0; i < ops.size(); ++i) ops[i].id = std::move((*change.ids)[i]);
  return services.data.write(collection, std::move(ops), std::move(change.places), key_of(request));
}

Result<Response> delete_many(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kJson, {}));
  ASSIGN_OR_RETURN(auto change, parse_delete(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto report, apply(services, request, target.collection, std::move(change)));
  return written(fmt::format(R"({{"deleted":{}}})", report.applied), std::move(target), report);
}

Result<Response> change_payloads(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(auto target, target_of(services, request, Body::kJson, {}));
  ASSIGN_OR_RETURN(auto change, parse_payload_change(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto report, apply(services, request, target.collection, std::move(change)));
  return written(fmt::format(R"({{"updated":{}}})", report.applied), std::move(target), report);
}

Result<Response> scroll(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto target, target_of(services, request, Body::kJson, {"consistency"}));
  ASSIGN_OR_RETURN(auto body, parse_scroll(request.body, services.limits));
  body.query.projection.max_bytes = services.server.max_reply_bytes;
  const auto from = read_from(services, request, target, body.consistency);
  ASSIGN_OR_RETURN(const auto reply, services.data.scroll(target.collection, body.query, from));
  return json_response(scroll_reply(reply, body.query.projection));
}

Result<Response> count(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto target, target_of(services, request, Body::kJson, {"consistency"}));
  ASSIGN_OR_RETURN(const auto body, parse_count(request.body, services.limits));
  const auto from = read_from(services, request, target, body.consistency);
  ASSIGN_OR_RETURN(const auto counted, services.data.count(target.collection, body.filter, from));
  return json_response(fmt::format(R"({{"count":{}}})", counted));
}

}  // namespace

std::vector<Route> vector_routes(const Services& services) {
  const auto* s = &services;
  // With all shards here a read by id runs to its end on the thread that read it; one that asks other nodes waits.
  const auto get_on = services.cluster.alone() ? RunOn::kIoThread : RunOn::kRequestLane;
  using Function = Result<Response> (*)(const Services&, const Request&);
  const auto row = [s](Method method, std::string_view path, RunOn run_on, Function function) {
    return Route{method, fmt::format("/collections/{{name}}/vectors{}", path), run_on,
                 [s, function](const Request& r) { return answer(r, function(*s, r)); }};
  };
  return {
      row(Method::kPost, "", RunOn::kRequestLane, upsert),
      row(Method::kGet, "/{id}", get_on, get_one),
      row(Method::kPut, "/{id}", RunOn::kRequestLane, put_one),
      row(Method::kPatch, "/{id}", RunOn::kRequestLane, patch_one),
      row(Method::kDelete, "/{id}", RunOn::kRequestLane, delete_one),
      row(Method::kPost, "/get", RunOn::kRequestLane, get_many),
      row(Method::kPost, "/delete", RunOn::kRequestLane, delete_many),
      row(Method::kPost, "/payload", RunOn::kRequestLane, change_payloads),
      row(Method::kPost, "/scroll", RunOn::kRequestLane, scroll),
      row(Method::kPost, "/count", RunOn::kRequestLane, count),
  };
}

}  // namespace vectorizer::rest
