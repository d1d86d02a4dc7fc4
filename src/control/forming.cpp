#include "forming.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace vectorizer::control {
namespace {

using peer::Hello;
using peer::IdentityState;

FormingStep wait_for(std::string reason) {
  FormingStep step;
  step.reason = std::move(reason);
  return step;
}

/// A member among the answers, if all members belong to one cluster.
std::optional<FormingStep> step_towards_members(const Hello& self, const std::vector<Greeting>& greetings) {
  std::map<std::string, std::string> clusters;  // id -> endpoint of a member
  for (const auto& greeting : greetings) {
    if (greeting.answer && greeting.answer->state == IdentityState::kMember) {
      clusters.emplace(greeting.answer->cluster_id, greeting.endpoint);
    }
  }
  if (clusters.empty()) return std::nullopt;
  if (clusters.size() > 1) {
    return wait_for(fmt::format("the listed servers belong to different clusters: {} is one of {}, {} is one of {}",
                                clusters.begin()->second, clusters.begin()->first, std::next(clusters.begin())->second,
                                std::next(clusters.begin())->first));
  }
  const auto& [cluster_id, endpoint] = *clusters.begin();
  if (self.restored && self.cluster_id != cluster_id) {
    return wait_for(
        fmt::format("this node was restored from a backup of cluster {}, and {} belongs to cluster {}: restore that "
                    "node too, or empty this one's data directory",
                    self.restored->from_cluster, endpoint, cluster_id));
  }
  if (self.has_data) {
    return wait_for(
        fmt::format("this node holds collections of its own and cannot join the cluster of {}; export them, "
                    "or empty its data directory",
                    endpoint));
  }
  FormingStep step;
  step.kind = FormingStep::Kind::kJoin;
  step.join_endpoint = endpoint;
  step.join_cluster_id = cluster_id;
  return step;
}

bool claimed_by(const Hello& node, const std::string& uuid, const std::string& endpoint) {
  return node.claimed_by == uuid || node.claimed_by_endpoint == endpoint;
}

/// Everybody who answered, once each: DNS may name one node twice.
std::vector<const Hello*> distinct(const std::vector<Greeting>& greetings) {
  std::set<std::string> seen;
  std::vector<const Hello*> nodes;
  for (const auto& greeting : greetings) {
    if (greeting.answer && seen.insert(greeting.answer->uuid).second) nodes.push_back(&*greeting.answer);
  }
  return nodes;
}

/// One backup in two data directories would be one disk at two places.
std::optional<FormingStep> wait_for_twins(const std::vector<Greeting>& greetings) {
  std::map<std::string, const Greeting*> restored;
  for (const auto& greeting : greetings) {
    if (!greeting.answer || !greeting.answer->restored) continue;
    const auto [known, fresh] = restored.emplace(greeting.answer->uuid, &greeting);
    if (fresh || known->second->answer->raft_id == greeting.answer->raft_id) continue;
    return wait_for(fmt::format("{} and {} were restored from the backup of one node; each has its own",
                                known->second->name, greeting.name));
  }
  return std::nullopt;
}

std::optional<FormingStep> wait_for_the_silent(const std::vector<Greeting>& greetings, std::size_t found,
                                               std::size_t expected) {
  std::vector<std::string> silent;
  for (const auto& greeting : greetings) {
    if (!greeting.answer) silent.push_back(greeting.name);
  }
  if (!silent.empty()) return wait_for(fmt::format("forming: waiting for {}", fmt::join(silent, ", ")));
  if (found < expected) return wait_for(fmt::format("forming: {} of {} expected nodes found", found, expected));
  if (found > expected) {
    return wait_for(
        fmt::format("forming: {} nodes answer where {} are expected; check cluster.expected_nodes", found, expected));
  }
  return std::nullopt;
}

/// Of nodes that were restored: the one that knows most of what was decided.
const Hello* restored_founder(const std::vector<const Hello*>& nodes, std::string& problem) {
  const Hello* founder = nullptr;
  const auto rank = [](const Hello& node) { return std::pair(node.restored->raft_term, node.restored->raft_index); };
  for (const auto* node : nodes) {
    if (node->has_data) {
      problem = fmt::format(
          "'{}' holds collections of its own, and other nodes were restored from a backup: restore "
          "it too, or empty its data directory",
          node->node.value());
      return nullptr;
    }
    if (!node->restored) continue;
    if (founder != nullptr && founder->restored->from_cluster != node->restored->from_cluster) {
      problem = fmt::format("'{}' was restored from a backup of cluster {}, '{}' from one of {}", founder->node.value(),
                            founder->restored->from_cluster, node->node.value(), node->restored->from_cluster);
      return nullptr;
    }
    if (founder == nullptr || rank(*node) > rank(*founder) ||
        (rank(*node) == rank(*founder) && node->uuid < founder->uuid)) {
      founder = node;
    }
  }
  return founder;
}

/// The one node that forms the cluster, or why nobody may.
const Hello* founder_of(const std::vector<const Hello*>& nodes, std::string& problem) {
  if (std::any_of(nodes.begin(), nodes.end(), [](const Hello* node) { return node->restored.has_value(); })) {
    return restored_founder(nodes, problem);
  }
  std::vector<const Hello*> with_data;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(with_data),
               [](const Hello* node) { return node->has_data; });
  if (with_data.size() > 1) {
    problem = fmt::format("{} and {} both hold collections of their own; only one node of a new cluster may",
                          with_data[0]->node.value(), with_data[1]->node.value());
    return nullptr;
  }
  return with_data.empty() ? nodes.front() : with_data.front();
}

}  // namespace

FormingStep next_forming_step(const Hello& self, const std::vector<Greeting>& greetings, std::size_t expected) {
  if (auto step = step_towards_members(self, greetings)) return *step;
  if (auto step = wait_for_twins(greetings)) return *step;
  const auto nodes = distinct(greetings);
  if (auto step = wait_for_the_silent(greetings, nodes.size(), expected)) return *step;

  std::set<std::string> ids;
  for (const auto* node : nodes) {
    if (!ids.insert(node->node.value()).second) {
      return wait_for(fmt::format("two servers call themselves '{}' ({}); node_id must be unique", node->node.value(),
                                  node->endpoint));
    }
    if (node->servers_hash != self.servers_hash) {
      return wait_for(fmt::format("'{}' has another list of servers; cluster.servers must be the same on every node",
                                  node->node.value()));
    }
  }
  std::string problem;
  const Hello* founder = founder_of(nodes, problem);
  if (founder == nullptr) return wait_for(problem);
  for (const auto* node : nodes) {
    const bool free = node->state == IdentityState::kVirgin ||
                      (node->state == IdentityState::kClaimed && claimed_by(*node, founder->uuid, founder->endpoint));
    if (free) continue;
    if (node->state == IdentityState::kRemoved) {
      return wait_for(fmt::format("'{}' was removed from a cluster; empty its data directory", node->node.value()));
    }
    return wait_for(
        fmt::format("'{}' is on its way into another cluster, {}; if that is gone, empty its data directory",
                    node->node.value(), node->cluster_id));
  }
  if (founder->uuid != self.uuid) {
    return wait_for(fmt::format("forming: '{}' forms the cluster", founder->node.value()));
  }
  FormingStep step;
  step.kind = FormingStep::Kind::kForm;
  return step;
}

Result<void> check_claim(const Hello& self, const peer::ClaimRequest& request) {
  const auto refuse = [](std::string reason) { return Error{ErrorType::kConflict, std::move(reason)}; };
  if (request.servers_hash != self.servers_hash) {
    return refuse(fmt::format("'{}' has another list of servers than {}", self.node.value(), request.from_endpoint));
  }
  if (self.has_data) return refuse(fmt::format("'{}' holds collections of its own", self.node.value()));
  if (self.restored && self.restored->from_cluster != request.restores) {
    return refuse(fmt::format("'{}' was restored from a backup of cluster {}, {} was not", self.node.value(),
                              self.restored->from_cluster, request.from_endpoint));
  }
  if (self.state == IdentityState::kVirgin) return {};
  if (self.state == IdentityState::kClaimed && claimed_by(self, request.from_uuid, request.from_endpoint)) return {};
  return refuse(fmt::format("'{}' has promised itself to another cluster ({})", self.node.value(), self.cluster_id));
}

}  // namespace vectorizer::control
