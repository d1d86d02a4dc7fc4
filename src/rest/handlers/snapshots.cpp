#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/admin_json.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::rest {
namespace {

using coordinator::SnapshotScope;
using nlohmann::json;

json time_json(std::int64_t milliseconds) {
  return milliseconds == 0 ? json(nullptr) : json(rfc3339_from_ms(milliseconds));
}

json node_snapshot_json(const coordinator::NodeSnapshot& node) {
  json out = {{"node", node.node.value()}};
  if (!node.info) {
    out["status"] = "missing";
    out["problems"] = json::array({node.problem});
    return out;
  }
  const auto& info = *node.info;
  out["status"] = coordinator::snapshot_state_name(info.state);
  out["path"] = info.path;
  out["bytes"] = info.bytes;
  out["shared_bytes"] = info.shared_bytes;
  out["files"] = info.files;
  out["checksum"] = info.checksum;
  out["verified_at"] = time_json(info.verified_at_ms);
  out["problems"] = info.problems;
  return out;
}

json snapshot_json(const coordinator::SnapshotView& view) {
  json shards = json::array(), nodes = json::array();
  for (const auto& [shard, point] : view.points) {
    shards.push_back({{"shard_id", shard.value()}, {"term", point.term}, {"sequence", point.sequence}});
  }
  for (const auto& node : view.nodes) nodes.push_back(node_snapshot_json(node));
  return {{"id", view.id},
          {"status", view.status},
          {"created_at", time_json(view.created_at_ms)},
          {"bytes", view.bytes},
          {"shared_bytes", view.shared_bytes},
          {"shards", std::move(shards)},
          {"nodes", std::move(nodes)}};
}

Result<SnapshotScope> scope_from(std::string_view text, std::string_view field) {
  if (text == "cluster") return SnapshotScope::kCluster;
  if (text == "node") return SnapshotScope::kNode;
  return invalid_field(field, "must be cluster or node");
}

Result<SnapshotScope> scope_of(const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"scope"}));
  const auto text = request.query_value("scope");
  return text ? scope_from(*text, "scope") : SnapshotScope::kCluster;
}

struct CreateBody {
  std::optional<std::string> name;
  SnapshotScope scope = SnapshotScope::kCluster;
};

Result<CreateBody> parse_create(const Services& services, const Request& request) {
  CreateBody out;
  RETURN_IF_ERROR(check_query(request, {}));
  if (request.body.empty()) return out;
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const json body, parse_json(request.body, services.limits.max_json_depth));
  if (!body.is_object()) return invalid_field("body", "must be a JSON object");
  for (const auto& [name, value] : body.items()) {
    if (name != "name" && name != "scope") return invalid_field(printable(name), "is not a known field");
    if (!value.is_string()) return invalid_field(name, "must be a string");
    if (name == "name") {
      out.name = value.get<std::string>();
    } else {
      ASSIGN_OR_RETURN(out.scope, scope_from(value.get<std::string>(), "scope"));
    }
  }
  return out;
}

bool goes_on(const coordinator::SnapshotView& view) {
  return view.status == "creating" || view.status == "verifying";
}

Result<Response> create(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto body, parse_create(services, request));
  ASSIGN_OR_RETURN(const auto view, services.snapshots.create(body.name, body.scope));
  spdlog::info("snapshot '{}' is {} request_id={}", view.id, view.status, request.request_id);
  return json_response(dump({{"status", view.status}, {"snapshot", snapshot_json(view)}}), goes_on(view) ? 202 : 201);
}

Result<Response> list(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto scope, scope_of(request));
  json rows = json::array();
  for (const auto& view : services.snapshots.list(scope)) rows.push_back(snapshot_json(view));
  return json_response(dump({{"snapshots", std::move(rows)}}));
}

Result<Response> get(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto scope, scope_of(request));
  ASSIGN_OR_RETURN(const auto view, services.snapshots.get(printable(request.params.at(0)), scope));
  return json_response(dump(snapshot_json(view)));
}

Result<Response> verify(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto scope, scope_of(request));
  if (!request.body.empty()) {
    RETURN_IF_ERROR(check_json_body(request));
    RETURN_IF_ERROR(check_no_members(request.body, services.limits));
  }
  ASSIGN_OR_RETURN(const auto view, services.snapshots.verify(printable(request.params.at(0)), scope));
  return json_response(dump({{"status", view.status}, {"snapshot", snapshot_json(view)}}), goes_on(view) ? 202 : 200);
}

Result<Response> remove(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto scope, scope_of(request));
  const auto name = printable(request.params.at(0));
  RETURN_IF_ERROR(services.snapshots.remove(name, scope));
  spdlog::info("snapshot '{}' deleted request_id={}", name, request.request_id);
  return json_response(R"({"status":"deleted"})");
}

}  // namespace

std::vector<Route> snapshot_routes(const Services& services) {
  const auto* s = &services;
  const std::string all = "/api/v1/snapshots";
  const std::string one = "/api/v1/snapshots/{id}";
  return {
      {Method::kPost, all, RunOn::kRequestLane, [s](const Request& r) { return answer(r, create(*s, r)); }},
      {Method::kGet, all, RunOn::kRequestLane, [s](const Request& r) { return answer(r, list(*s, r)); }},
      {Method::kGet, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, get(*s, r)); }},
      {Method::kPost, one + "/verify", RunOn::kRequestLane, [s](const Request& r) { return answer(r, verify(*s, r)); }},
      {Method::kDelete, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, remove(*s, r)); }},
  };
}

}  // namespace vectorizer::rest
