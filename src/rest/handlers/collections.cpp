#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/admin_json.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::rest {
namespace {

using nlohmann::json;

Result<Response> create(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const json body, parse_json(request.body, services.limits.max_json_depth));
  ASSIGN_OR_RETURN(const auto config, parse_collection_config(body));
  ASSIGN_OR_RETURN(const auto info, services.collections.create(config));
  spdlog::info("collection {} created: dimension {}, {}, {} shards request_id={}", info.config.name,
               info.config.dimension, metric_name(info.config.metric), info.config.sharding.shard_count,
               request.request_id);
  json out = {{"status", "created"}, {"collection", collection_json(info)}};
  if (auto note = services.cluster.note(); !note.empty()) out["note"] = std::move(note);
  return json_response(dump(out), 201);
}

Result<Response> list(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  auto rows = json::array();
  for (const auto& info : services.collections.list()) rows.push_back(collection_json(info));
  const auto total = rows.size();
  return json_response(dump({{"collections", std::move(rows)}, {"total_collections", total}}));
}

Result<Response> get(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto name, collection_of(request));
  ASSIGN_OR_RETURN(const auto info, services.collections.get(name));
  return json_response(dump(collection_json(info)));
}

Result<Response> alter(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto name, collection_of(request));
  const auto current = services.collections.get(name);
  if (!current) return current.error();
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const json patch, parse_json(request.body, services.limits.max_json_depth));
  const auto checked = apply_collection_patch(current->config, patch);
  if (!checked) return checked.error();
  ASSIGN_OR_RETURN(const auto info, services.collections.alter(name, patch));
  spdlog::info("collection {} altered request_id={}", name, request.request_id);
  return json_response(dump({{"status", "updated"}, {"collection", collection_json(info)}}));
}

Result<Response> drop(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto name, collection_of(request));
  RETURN_IF_ERROR(services.collections.drop(name));
  spdlog::info("collection {} deleted request_id={}", name, request.request_id);
  return json_response(R"({"status":"deleted"})");
}

}  // namespace

std::vector<Route> collection_routes(const Services& services) {
  const auto* s = &services;
  const std::string all = "/collections";
  const std::string one = "/collections/{name}";
  return {
      {Method::kPost, all, RunOn::kRequestLane, [s](const Request& r) { return answer(r, create(*s, r)); }},
      {Method::kGet, all, RunOn::kRequestLane, [s](const Request& r) { return answer(r, list(*s, r)); }},
      {Method::kGet, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, get(*s, r)); }},
      {Method::kPatch, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, alter(*s, r)); }},
      {Method::kDelete, one, RunOn::kRequestLane, [s](const Request& r) { return answer(r, drop(*s, r)); }},
  };
}

}  // namespace vectorizer::rest
