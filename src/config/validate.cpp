#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "draft.hpp"
#include "key_table.hpp"

namespace vectorizer::config {
namespace {

Origin origin_of_server(const Draft& draft, std::size_t index) {
  auto origin = draft.origin_of(kServersPath);
  if (index < draft.server_lines.size()) origin.line = draft.server_lines[index];
  return origin;
}

/// Two servers with one name or one address are one server written twice, or a mistake that costs an outage.
void check_servers_differ(Draft& draft) {
  const auto servers = draft.outcome.settings.cluster.servers;
  std::map<std::string, std::size_t> ids, addresses;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const auto& server = servers[i];
    if (!server.id.empty()) {
      if (const auto [first, fresh] = ids.emplace(server.id, i); !fresh) {
        draft.problem(origin_of_server(draft, i), fmt::format("{}[{}].id", kServersPath, i),
                      fmt::format("'{}' is already the id of {}[{}]", server.id, kServersPath, first->second));
      }
    }
    if (server.address.empty()) continue;
    const auto address = fmt::format("{}:{}", server.address, server.grpc_port);
    if (const auto [first, fresh] = addresses.emplace(address, i); !fresh) {
      draft.problem(origin_of_server(draft, i), fmt::format("{}[{}].address", kServersPath, i),
                    fmt::format("'{}' is already the address of {}[{}]", address, kServersPath, first->second));
    }
  }
}

void check_dns(Draft& draft) {
  const auto& cluster = draft.outcome.settings.cluster;
  if (cluster.dns_name.empty()) {
    draft.problem(draft.origin_of("cluster.discovery"), "cluster.dns_name",
                  "must be set when cluster.discovery is dns");
  }
  if (cluster.expected_nodes == 0) {
    draft.problem(draft.origin_of("cluster.discovery"), "cluster.expected_nodes",
                  "must be set when cluster.discovery is dns: the number of nodes that form the cluster");
  }
}

void check_membership(Draft& draft) {
  const auto& cluster = draft.outcome.settings.cluster;
  if (!cluster.secret.empty() && !cluster.secret_file.empty()) {
    draft.problem(draft.origin_of("cluster.secret_file"), "cluster.secret_file",
                  "cluster.secret is set as well; the secret comes from one of them");
  }
  if (!cluster.enabled) return;
  if (cluster.discovery == "dns") return check_dns(draft);
  if (cluster.servers.empty()) {
    return draft.problem(draft.origin_of("cluster.enabled"), std::string(kServersPath),
                         "must list the servers when cluster.enabled is true and cluster.discovery is static");
  }
  const bool listed = std::any_of(cluster.servers.begin(), cluster.servers.end(),
                                  [&](const auto& server) { return server.id == cluster.node_id; });
  if (!listed) {
    draft.problem(draft.origin_of("cluster.node_id"), "cluster.node_id",
                  fmt::format("'{}' is not the id of one of {}", cluster.node_id, kServersPath));
  }
}

}  // namespace

void validate(Draft& draft) {
  check_servers_differ(draft);
  check_membership(draft);
}

}  // namespace vectorizer::config
