#include <fmt/format.h>

#include <charconv>

#include "cluster_views.hpp"
#include "server_call.hpp"
#include "vectorizer/client/commands.hpp"
#include "verbs.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

constexpr const char* kNodes = "/api/v1/cluster/nodes";

struct ClusterOptions {
  ViewOptions view;
  std::string node, address, collection;
  bool force = false, dry_run = false;
};

/// "host:port", with brackets around an IPv6 address.
struct PeerAddress {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<PeerAddress> parse_peer(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto digits = text.substr(colon + 1);
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  PeerAddress peer{std::string(host), 0};
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), peer.port);
  const bool good = failed == std::errc() && end == digits.data() + digits.size() && peer.port > 0 && !host.empty();
  return good ? std::optional(std::move(peer)) : std::nullopt;
}

CLI::Validator peer_address() {
  return {[](const std::string& text) -> std::string {
            return parse_peer(text) ? "" : fmt::format("'{}' is not HOST:PORT", text);
          },
          "HOST:PORT"};
}

int status(const ClusterOptions& /*options*/, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, "/api/v1/cluster/status");
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", cluster_status_screen(*answer, call.terminal()));
  return text_at(*answer, "status") == "green" ? kExitDone : kExitDegraded;
}

int nodes(const ClusterOptions& options, ServerCall& call) {
  const bool one = !options.node.empty();
  const auto answer =
      call.ask(http::verb::get, one ? fmt::format("{}/{}", kNodes, path_segment(options.node)) : kNodes);
  if (!answer) return call.status();
  if (call.shown_as_json()) return kExitDone;
  fmt::print("{}", one ? node_screen(*answer, call.terminal()) : nodes_screen(*answer, call.terminal()));
  return kExitDone;
}

int shards(const ClusterOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, "/api/v1/cluster/shard-distribution");
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", shards_screen(*answer, options.collection, call.terminal()));
  return kExitDone;
}

int migrations(const ClusterOptions& /*options*/, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, "/api/v1/cluster/migrations");
  if (!answer) return call.status();
  if (!call.shown_as_json()) {
    fmt::print("{}", migrations_screen(member_at(*answer, "migrations"), call.terminal()));
  }
  return kExitDone;
}

/// Shows what an order has led to; degraded if data is lost by it.
int order(ServerCall& call, http::verb method, const std::string& target, const json& body = nullptr) {
  const auto answer = call.ask(method, target, body);
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", change_screen(*answer, call.terminal()));
  return member_at(*answer, "lost").empty() ? kExitDone : kExitDegraded;
}

int rebalance(const ClusterOptions& options, ServerCall& call) {
  return order(call, http::verb::post, "/api/v1/cluster/rebalance",
               {{"force", options.force}, {"dry_run", options.dry_run}});
}

int add(const ClusterOptions& options, ServerCall& call) {
  const auto peer = parse_peer(options.address);
  return order(call, http::verb::post, kNodes,
               {{"id", options.node}, {"address", peer->host}, {"grpc_port", peer->port}});
}

int remove(const ClusterOptions& options, ServerCall& call) {
  const auto question = options.force
                            ? fmt::format("Remove node {} for good, with whatever only it holds?", options.node)
                            : fmt::format("Move everything away from node {} and remove it?", options.node);
  if (!call.confirmed(question)) return call.status();
  return order(call, http::verb::delete_,
               fmt::format("{}/{}{}", kNodes, path_segment(options.node), options.force ? "?force=true" : ""));
}

void define(Verbs<ClusterOptions>& verbs, ClusterOptions& options) {
  verbs.add("status", "Green, yellow or red, and why; exit status 3 unless green", status);
  auto& node_list = verbs.add("nodes", "The nodes, or one with its shards", nodes);
  node_list.add_option("node", options.node, "Only this one")->check(node_id());
  verbs.add("shards", "Which node has which shards", shards)
      .add_option("-c,--collection", options.collection, "Only of this collection")
      ->check(collection_name());
  verbs.add("migrations", "What moves now and what moved last", migrations);
  auto& even = verbs.add("rebalance", "Even out the shards", rebalance);
  even.add_flag("--force", options.force, "As far as it goes, also within rebalance_threshold");
  even.add_flag("--dry-run", options.dry_run, "Only say what would move");
  auto& join = verbs.add("add", "Add a node, which must run and be empty", add);
  join.add_option("node", options.node, "Its cluster.node_id")->required()->check(node_id());
  join.add_option("address", options.address, "Where the other nodes reach it, with the port between nodes")
      ->required()
      ->check(peer_address());
  auto& leave = verbs.add("remove", "Move a node's shards to the others and remove it", remove);
  leave.add_option("node", options.node, "Its cluster.node_id")->required()->check(node_id());
  leave.add_flag("--force", options.force, "At once: for a node that is gone for good; says which shards are lost");
  options.view.add_confirmation_to(leave);
}

}  // namespace

std::shared_ptr<void> describe_cluster(CLI::App& app) {
  return describe_verbs<ClusterOptions>(app, define);
}

int run_cluster(int argc, char** argv) {
  return run_verbs<ClusterOptions>(argc, argv, "Looks at a cluster and changes it.", define);
}

}  // namespace vectorizer::client
