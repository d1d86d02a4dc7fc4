#include "discovery.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

#include "node_record.hpp"
#include "random_bits.hpp"

namespace vectorizer::control {
namespace {

using peer::IdentityState;

constexpr std::chrono::milliseconds kInterval{500};
/// Between two rounds of hellos once the node is a member and the cluster has a leader.
constexpr std::chrono::seconds kQuietInterval{10};

/// What DNS says now.
Result<std::vector<ListedServer>> servers_of(const MembershipOptions& options) {
  ASSIGN_OR_RETURN(const auto addresses, options.resolve(options.dns_name));
  std::vector<ListedServer> found;
  for (const auto& address : addresses) {
    const auto endpoint = make_endpoint(address, options.dns_grpc_port);
    found.push_back({endpoint, endpoint});
  }
  return found;
}

/// A single node may have run under another name than it has in the cluster. What it holds is its own all the same.
void rename_single_node(cluster::ClusterMetadata& metadata, const NodeId& name) {
  if (metadata.nodes.size() != 1 || metadata.nodes.begin()->first == name) return;
  auto node = metadata.nodes.extract(metadata.nodes.begin());
  const NodeId before = node.key();
  node.key() = name;
  node.mapped().id = name;
  metadata.nodes.insert(std::move(node));
  for (auto& [id, shard] : metadata.placements) {
    if (shard.primary == before) shard.primary = name;
    for (auto& copy : shard.copies) {
      if (copy.node == before) copy.node = name;
    }
  }
}

/// The metadata of a cluster that has one member, with what that member held before; or of nodes that were restored.
Result<cluster::ClusterMetadata> first_metadata(const MemberState& state, const std::string& cluster_id,
                                                const std::vector<Greeting>& greetings) {
  const auto hello = state.hello();
  if (state.options.restored) {
    std::vector<peer::Hello> nodes;
    for (const auto& greeting : greetings) {
      if (greeting.answer) nodes.push_back(*greeting.answer);
    }
    return restored_metadata(state.options.restored->metadata, cluster_id, std::max(1U, state.options.expected_nodes),
                             hello, nodes);
  }
  cluster::ClusterMetadata metadata = state.options.initial;
  rename_single_node(metadata, hello.node);
  const std::uint32_t expected = std::max(1U, state.options.expected_nodes);
  ASSIGN_OR_RETURN(metadata, cluster::apply(metadata, cluster::InitCluster{cluster_id, expected}));
  auto self = record_of(hello);
  if (!self) return self.error();
  self->status = cluster::NodeStatus::kActive;
  const auto known = metadata.nodes.find(self->id);
  const std::uint64_t replaces = known == metadata.nodes.end() ? 0 : known->second.raft_id;
  ASSIGN_OR_RETURN(metadata, cluster::apply(metadata, cluster::UpsertNode{std::move(*self), replaces}));
  // What a single node holds was made before its disk had a name.
  for (auto& [id, shard] : metadata.placements) {
    for (auto& copy : shard.copies) {
      if (copy.node == hello.node && copy.node_uuid.empty()) copy.node_uuid = hello.uuid;
    }
  }
  return metadata;
}

}  // namespace

void Discovery::start() {
  thread_.start(kInterval, [this](const std::stop_token& stop) { round(stop); });
}

void Discovery::invited_by(const ListedServer& member) {
  {
    const std::lock_guard lock(mutex_);
    invited_by_ = member;
  }
  thread_.poke();
}

/// This node was removed: it takes part in nothing any more, and says why.
void Discovery::leave() {
  if (!state_.log.raft()) return;
  spdlog::warn("this node was removed from cluster {}", state_.identity.current().cluster_id);
  state_.log.detach();
  state_.log.set_waiting_for(
      "this node was removed from the cluster; stop it, and empty its data directory to let it join again");
}

std::vector<ListedServer> Discovery::missing() const {
  const std::lock_guard lock(mutex_);
  return missing_;
}

std::vector<ListedServer> Discovery::known_servers() const {
  const auto& options = state_.options;
  if (options.dns_name.empty()) return options.servers;
  const auto found = servers_of(options);
  return found ? *found : std::vector<ListedServer>{};
}

std::vector<ListedServer> Discovery::servers() {
  const auto& options = state_.options;
  if (options.dns_name.empty()) return options.servers;
  // The name may have been asked before it had the address at which this node is now.
  const BootTime interval = admitted() ? BootTime(options.resolve_interval) : BootTime(kInterval);
  if (!from_dns_.empty() && boot_now() - resolved_at_ < interval) return from_dns_;
  auto found = servers_of(options);
  if (!found) {
    if (last_reason_ != found.error().message) spdlog::warn("{}", found.error().message);
    last_reason_ = found.error().message;
    return from_dns_;
  }
  resolved_at_ = boot_now();
  if (!found->empty()) from_dns_ = *std::move(found);
  return from_dns_;
}

std::vector<Greeting> Discovery::greet(const std::vector<ListedServer>& servers, const std::stop_token& stop) {
  const auto self = state_.hello();
  std::vector<std::future<Greeting>> calls;
  for (const auto& server : servers) {
    if (stop.stop_requested()) break;
    calls.push_back(std::async(std::launch::async, [this, server, self] {
      Greeting greeting{server.name, server.endpoint, std::nullopt, ""};
      if (server.endpoint == self.endpoint) {
        greeting.answer = self;
        return greeting;
      }
      auto answer = state_.peers.membership(server.endpoint)->hello(self);
      if (answer) {
        greeting.answer = std::move(*answer);
      } else {
        greeting.problem = answer.error().message;
        greeting.refused =
            answer.error().type == ErrorType::kUnauthorized || answer.error().type == ErrorType::kForbidden;
      }
      return greeting;
    }));
  }
  std::vector<Greeting> greetings;
  for (auto& call : calls) greetings.push_back(call.get());
  return greetings;
}

void Discovery::remember(const std::vector<Greeting>& greetings) {
  const auto self = state_.identity.current();
  const auto metadata = state_.log.current();
  std::vector<ListedServer> missing;
  for (const auto& greeting : greetings) {
    const bool member = std::any_of(metadata->nodes.begin(), metadata->nodes.end(), [&](const auto& item) {
      return greeting.answer && item.second.raft_id == greeting.answer->raft_id;
    });
    if (!member) missing.push_back({greeting.name, greeting.endpoint});
    if (greeting.refused && refused_.insert(greeting.problem + greeting.endpoint).second) {
      spdlog::error("server '{}' at {}: {}", greeting.name, greeting.endpoint, greeting.problem);
    }
    if (!greeting.answer) continue;
    const auto& answer = *greeting.answer;
    if (answer.uuid == self.uuid) state_.found_itself_at(greeting.endpoint);
    // A stranger keeps its address to itself: only processes of this cluster are called as such.
    const bool ours = answer.uuid == self.uuid || (!self.cluster_id.empty() && answer.cluster_id == self.cluster_id);
    if (!ours) {
      if (self.state == IdentityState::kMember) refuse(self, answer, greeting);
      continue;
    }
    state_.book.met(answer.node, answer.raft_id, greeting.endpoint);
    state_.contacts.met(answer.node, boot_now());
  }
  if (metadata->forming() && !missing.empty()) {
    std::vector<std::string> names;
    for (const auto& server : missing) names.push_back(server.name);
    state_.log.set_waiting_for(fmt::format("forming: waiting for {}", fmt::join(names, ", ")));
  }
  const std::lock_guard lock(mutex_);
  missing_ = std::move(missing);
}

void Discovery::refuse(const Identity& self, const peer::Hello& stranger, const Greeting& greeting) {
  if (stranger.state != IdentityState::kMember || !refused_.insert(stranger.cluster_id + greeting.endpoint).second)
    return;
  spdlog::error(
      "server '{}' at {} belongs to cluster {}, this node to cluster {}: they do not talk to each other. To let one of "
      "them join the other, stop it, empty the data directory and start it again",
      greeting.name, greeting.endpoint, stranger.cluster_id, self.cluster_id);
}

void Discovery::round(const std::stop_token& stop) {
  const auto before = state_.identity.current().state;
  if (before == IdentityState::kRemoved) return leave();
  const auto raft = state_.log.raft();
  const bool quiet = before == IdentityState::kMember && raft != nullptr && raft->leader_raft_id() != 0 &&
                     missing().empty() && admitted();
  if (quiet && boot_now() - greeted_at_ < kQuietInterval) return;
  greeted_at_ = boot_now();

  const auto list = servers();
  if (list.empty()) {
    // A member finds the others where the metadata has them.
    if (before != IdentityState::kMember) {
      state_.log.set_waiting_for(fmt::format("{}: DNS name '{}' has no address yet",
                                             before == IdentityState::kJoining ? "joining" : "forming",
                                             state_.options.dns_name));
    }
    return;
  }
  state_.servers_hash = state_.options.dns_name.empty() ? servers_hash(list) : state_.options.expected_nodes;
  auto asked = list;
  if (before == IdentityState::kVirgin || before == IdentityState::kJoining) {
    const std::lock_guard lock(mutex_);
    if (invited_by_) asked.push_back(*invited_by_);
  }
  const auto greetings = greet(asked, stop);
  if (stop.stop_requested()) return;
  remember(greetings);
  if (before == IdentityState::kVirgin || before == IdentityState::kClaimed) form_or_join(list, greetings);
  // Whoever is no member of the Raft group any more hears of no leader, while others do: the leader tells it so.
  const bool lost = before == IdentityState::kMember && raft != nullptr && raft->leader_raft_id() == 0;
  if (state_.identity.current().state == IdentityState::kJoining || lost || !admitted()) {
    ask_to_be_admitted(greetings, lost);
  }
}

void Discovery::form_or_join(const std::vector<ListedServer>& servers, const std::vector<Greeting>& greetings) {
  const auto& options = state_.options;
  const std::size_t expected = options.dns_name.empty() ? servers.size() : options.expected_nodes;
  auto ordered = greetings;
  if (!options.dns_name.empty()) {
    // Addresses change when pods are replaced; the order must not, or two nodes would ask for promises.
    const auto uuid = [](const Greeting& greeting) { return greeting.answer ? greeting.answer->uuid : std::string(); };
    std::stable_sort(ordered.begin(), ordered.end(), [&](const auto& a, const auto& b) { return uuid(a) < uuid(b); });
  }
  const auto step = next_forming_step(state_.hello(), ordered, expected);
  Result<void> done;
  switch (step.kind) {
    case FormingStep::Kind::kWait:
      if (step.reason != last_reason_) spdlog::info("{}", step.reason);
      last_reason_ = step.reason;
      state_.log.set_waiting_for(step.reason);
      return;
    case FormingStep::Kind::kJoin:
      done = begin_to_join(step.join_cluster_id);
      break;
    case FormingStep::Kind::kForm:
      done = form(servers, greetings);
      break;
  }
  if (!done) {
    spdlog::warn("forming: {}", done.error().message);
    state_.log.set_waiting_for(fmt::format("forming: {}", done.error().message));
  }
}

Result<void> Discovery::become_member() {
  RETURN_IF_ERROR(state_.identity.update([](Identity& changed) { changed.state = IdentityState::kMember; }));
  if (state_.options.on_member) state_.options.on_member();
  return {};
}

Result<void> Discovery::form(const std::vector<ListedServer>& servers, const std::vector<Greeting>& greetings) {
  const auto self = state_.hello();
  RETURN_IF_ERROR(state_.identity.update([&](Identity& identity) {
    if (identity.state == IdentityState::kVirgin || identity.cluster_id.empty()) {
      identity.cluster_id = fmt::format("{:016x}{:016x}", random_bits(), random_bits());
    }
    identity.state = IdentityState::kClaimed;
    identity.claimed_by = identity.uuid;
    identity.claimed_by_endpoint = self.endpoint;
  }));
  const auto identity = state_.identity.current();
  const peer::ClaimRequest claim{identity.cluster_id, self.servers_hash, self.uuid, self.endpoint,
                                 self.restored ? self.restored->from_cluster : ""};
  for (const auto& server : servers) {
    if (server.endpoint == self.endpoint) continue;
    if (auto promised = state_.peers.membership(server.endpoint)->claim(claim); !promised) {
      return Error{promised.error().type, fmt::format("{}: {}", server.name, promised.error().message)};
    }
  }
  ASSIGN_OR_RETURN(auto metadata, first_metadata(state_, identity.cluster_id, greetings));
  spdlog::info("forms cluster {} of {} nodes", identity.cluster_id, state_.options.expected_nodes);
  // The order matters: a member without a log is refused at the next start, a log without a member goes on here.
  RETURN_IF_ERROR(open_log_(std::move(metadata)));
  RETURN_IF_ERROR(become_member());
  state_.log.set_waiting_for("forming: the other nodes are joining");
  return {};
}

Result<void> Discovery::begin_to_join(const std::string& cluster_id) {
  RETURN_IF_ERROR(state_.identity.update([&](Identity& identity) {
    identity.cluster_id = cluster_id;
    identity.state = IdentityState::kJoining;
  }));
  spdlog::info("joins cluster {}", cluster_id);
  return open_log_(std::nullopt);
}

bool Discovery::admitted() const {
  const auto self = state_.identity.current();
  const auto metadata = state_.log.current();
  const auto found = metadata->nodes.find(state_.options.self);
  if (found == metadata->nodes.end() || found->second.raft_id != self.raft_id) return false;
  const auto& node = found->second;
  return node.boot_nonce == self.boot_nonce && make_endpoint(node.address, node.grpc_port) == state_.endpoint() &&
         node.rest_port == state_.options.rest_port && node.version == state_.options.version;
}

void Discovery::ask_to_be_admitted(const std::vector<Greeting>& greetings, bool lost) {
  const auto self = state_.identity.current();
  if (self.state == IdentityState::kJoining && admitted()) {
    if (auto member = become_member(); !member) {
      spdlog::error("{}", member.error().message);
    } else {
      spdlog::info("is a member of cluster {}", self.cluster_id);
      state_.log.set_waiting_for("");
    }
    return;
  }
  if (admitted() && !lost) return;
  std::string leader;
  for (const auto& greeting : greetings) {
    if (greeting.answer && greeting.answer->cluster_id == self.cluster_id &&
        !greeting.answer->leader_endpoint.empty()) {
      leader = greeting.answer->leader_endpoint;
    }
  }
  if (leader.empty()) {
    if (self.state == IdentityState::kJoining) {
      state_.log.set_waiting_for("joining: no reachable member knows a leader of the cluster");
    }
    return;
  }
  if (state_.endpoint().empty()) {
    if (self.state == IdentityState::kJoining) {
      state_.log.set_waiting_for(
          fmt::format("joining: DNS name '{}' has no address at which this node is", state_.options.dns_name));
    }
    return;
  }
  const auto asked =
      leader == state_.endpoint() ? join_here_(state_.hello()) : state_.peers.membership(leader)->join(state_.hello());
  if (asked) return;
  const auto reason = fmt::format("joining: {}", asked.error().message);
  if (reason != last_reason_) spdlog::warn("{}", reason);
  last_reason_ = reason;
  if (self.state == IdentityState::kJoining) state_.log.set_waiting_for(reason);
}

}  // namespace vectorizer::control
