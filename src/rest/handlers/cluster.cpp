#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/admin_json.hpp"

namespace vectorizer::rest {
namespace {

using nlohmann::json;

Error node_not_found(std::string_view id) {
  const auto shown = printable(id);
  return Error{ErrorType::kNodeNotFound, fmt::format("node '{}' is not a member of the cluster", shown)}.with("node",
                                                                                                              shown);
}

Result<coordinator::NodeView> find_node(const Services& services, const std::string& id) {
  auto found = services.cluster.node(NodeId(id));
  if (!found) return node_not_found(id);
  return found;
}

Result<coordinator::ShardDetail> find_shard(const Services& services, const std::string& text, bool with_digests) {
  ASSIGN_OR_RETURN(const auto id, number_from_path(text, "shard_id"));
  return services.cluster.shard(ShardId(id), with_digests);
}

Response success(std::string message, const std::vector<coordinator::Migration>& migrations) {
  return json_response(
      dump({{"status", "success"}, {"message", std::move(message)}, {"migrations", planned_json(migrations)}}));
}

Result<Response> list_nodes(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  auto rows = json::array();
  for (const auto& node : services.cluster.nodes()) rows.push_back(node_json(node, false));
  return json_response(dump({{"nodes", std::move(rows)}}));
}

Result<Response> get_node(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto node, find_node(services, request.params.at(0)));
  return json_response(dump(node_json(node, true)));
}

Result<Response> add_node(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto wanted, parse_new_node(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto node, services.cluster.add_node(wanted));
  return json_response(dump({{"status", "success"},
                             {"message", fmt::format("node {} joins the cluster", node.id.value())},
                             {"node", node_json(node, false)}}),
                       201);
}

Result<Response> remove_node(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"force"}));
  ASSIGN_OR_RETURN(const bool force, query_flag(request, "force", false));
  ASSIGN_OR_RETURN(const auto node, find_node(services, request.params.at(0)));
  ASSIGN_OR_RETURN(const auto removal, services.cluster.remove_node(node.id, force));
  json out = {{"status", "success"}, {"migrations", planned_json(removal.migrations)}};
  const bool removed = force || node.status == "joining";
  std::string message =
      removed ? fmt::format("node {} is removed; ", node.id.value())
              : fmt::format("node {} is being drained, and leaves when it holds nothing", node.id.value());
  if (removed && removal.lost.empty()) message += "nothing is lost";
  if (!removal.lost.empty()) {
    message += fmt::format("{} shards have no copy left that holds everything acknowledged", removal.lost.size());
    spdlog::warn("node '{}' was removed by force: {} shards are lost request_id={}", node.id.value(),
                 removal.lost.size(), request.request_id);
  }
  if (removed) out["lost"] = lost_json(removal.lost);
  if (!removal.note.empty()) out["note"] = removal.note;
  out["message"] = std::move(message);
  return json_response(dump(out));
}

Result<Response> cancel_drain(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto node, find_node(services, request.params.at(0)));
  RETURN_IF_ERROR(services.cluster.cancel_drain(node.id));
  return json_response(
      dump({{"status", "success"}, {"message", fmt::format("node {} is active again", node.id.value())}}));
}

Result<Response> shard_distribution(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  return json_response(dump(distribution_json(services.cluster.nodes(), services.cluster.shards())));
}

Result<Response> rebalance(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  if (!request.body.empty()) RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto body, parse_rebalance(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto migrations, services.cluster.rebalance(body.force, body.dry_run));
  return success(migrations.empty()
                     ? std::string("the shards are balanced, nothing moves")
                     : fmt::format("{} moves {}", migrations.size(), body.dry_run ? "would be made" : "are made"),
                 migrations);
}

Result<Response> list_migrations(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  return json_response(dump({{"migrations", progress_json(services.cluster.migrations())}}));
}

Result<Response> cancel_migration(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  ASSIGN_OR_RETURN(const auto id, number_from_path(request.params.at(0), "migration_id"));
  RETURN_IF_ERROR(services.cluster.cancel_migration(id));
  return json_response(dump({{"status", "success"}, {"message", fmt::format("migration {} is being cancelled", id)}}));
}

/// A member that did not answer has no version, and then nobody claims agreement.
Result<Response> sync(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  if (!request.body.empty()) {
    RETURN_IF_ERROR(check_json_body(request));
    RETURN_IF_ERROR(check_no_members(request.body, services.limits));
  }
  return json_response(dump(sync_json(services.cluster.sync())));
}

Result<Response> get_shard(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"digest"}));
  ASSIGN_OR_RETURN(const bool with_digests, query_flag(request, "digest", true));
  ASSIGN_OR_RETURN(const auto shard, find_shard(services, request.params.at(0), with_digests));
  return json_response(dump(shard_json(shard)));
}

/// Gives a shard without a live in-sync copy a primary, at the price of data; refused while there is a primary.
Result<Response> allocate_shard(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(const auto shard, find_shard(services, request.params.at(0), false));
  ASSIGN_OR_RETURN(const auto body, parse_allocate(request.body, services.limits));
  ASSIGN_OR_RETURN(const auto node, find_node(services, body.node.value()));
  RETURN_IF_ERROR(services.cluster.allocate(shard.id, node.id, body.mode == "empty"));
  spdlog::warn("shard {} is given to node '{}' ({}): an operator accepts the loss request_id={}", shard.id.value(),
               node.id.value(), body.mode, request.request_id);
  return json_response(
      dump({{"status", "success"},
            {"message", fmt::format("shard {} goes on with what node {} has", shard.id.value(), node.id.value())}}));
}

Result<Response> leader(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  const auto id = services.cluster.leader();
  if (id.value().empty()) return Error{ErrorType::kNoLeader, "no node leads the cluster now"};
  json out = {{"leader", id.value()}, {"is_self", id == services.cluster.self()}};
  for (const auto& node : services.cluster.nodes()) {
    if (node.id != id) continue;
    out["address"] = node.address;
    out["rest_port"] = node.rest_port;
  }
  return json_response(dump(out));
}

Result<Response> role(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  const auto self = services.cluster.self();
  return json_response(
      dump({{"node_id", self.value()}, {"role", services.cluster.leader() == self ? "leader" : "follower"}}));
}

Result<Response> status(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {}));
  return json_response(dump(status_json(services.cluster.status())));
}

}  // namespace

std::vector<Route> cluster_routes(const Services& services) {
  const auto* s = &services;
  using Function = Result<Response> (*)(const Services&, const Request&);
  const auto row = [s](Method method, std::string_view path, Function function) {
    return Route{method, fmt::format("/api/v1/cluster{}", path), RunOn::kRequestLane,
                 [s, function](const Request& r) { return answer(r, function(*s, r)); }};
  };
  return {
      row(Method::kGet, "/nodes", list_nodes),
      row(Method::kPost, "/nodes", add_node),
      row(Method::kGet, "/nodes/{id}", get_node),
      row(Method::kDelete, "/nodes/{id}", remove_node),
      row(Method::kPost, "/nodes/{id}/cancel-drain", cancel_drain),
      row(Method::kGet, "/shard-distribution", shard_distribution),
      row(Method::kPost, "/rebalance", rebalance),
      row(Method::kGet, "/migrations", list_migrations),
      row(Method::kDelete, "/migrations/{id}", cancel_migration),
      row(Method::kPost, "/sync", sync),
      row(Method::kGet, "/shards/{id}", get_shard),
      row(Method::kPost, "/shards/{id}/allocate", allocate_shard),
      row(Method::kGet, "/leader", leader),
      row(Method::kGet, "/role", role),
      row(Method::kGet, "/status", status),
  };
}

}  // namespace vectorizer::rest
