#include "supervisor.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/cluster/balance.hpp"
#include "vectorizer/control/server_list.hpp"
#include "vectorizer/model/protocol.hpp"

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::NodeRecord;
using cluster::NodeStatus;
using consensus::MemberRole;
using consensus::RaftMetadataLog;

constexpr std::chrono::milliseconds kRepairInterval{100};
constexpr std::chrono::milliseconds kAdmissionInterval{200};
/// After a start of everything at once: those that still start are waited for before a shard is given away.
constexpr std::chrono::seconds kSettlingTime{10};

/// Between two calls of a node that was added and has not joined, or of one that was removed and has not answered.
constexpr std::chrono::seconds kCallAgain{2};
/// Of a node that was removed: one that is gone for good never answers.
constexpr int kDismissals = 30;
/// Moves of one rebalancing; what is left comes with the next one.
constexpr std::size_t kRebalanceMoves = 512;

const BootTime kProcessStart = boot_now();

std::optional<ShardId> shard_of(const cluster::MetadataCommand& command) {
  return std::visit(
      [](const auto& concrete) -> std::optional<ShardId> {
        if constexpr (requires { concrete.shard; }) return concrete.shard;
        return std::nullopt;
      },
      command);
}

std::size_t voters(const std::vector<consensus::Member>& members) {
  return static_cast<std::size_t>(std::count_if(members.begin(), members.end(),
                                                [](const auto& member) { return member.role == MemberRole::kVoter; }));
}

}  // namespace

std::size_t wanted_voters(std::size_t members) {
  if (members <= 3) return members;
  return members >= 5 ? 5 : 3;
}

Supervisor::Supervisor(MemberState& state)
    : state_(state),
      plan_(state.options.elasticity.replace_after),
      moves_({state.options.elasticity.max_moves, state.options.elasticity.max_moves_per_node}),
      trigger_(state.options.elasticity.rebalance_after) {}

void Supervisor::start() {
  repairs_.start(kRepairInterval, [this](const std::stop_token&) { repair_round(); });
  admissions_.start(kAdmissionInterval, [this](const std::stop_token&) { admission_round(); });
}

void Supervisor::stop() {
  repairs_.stop();
  admissions_.stop();
  invitations_.clear();  // waits for the calls
  dismissals_.clear();
}

std::shared_ptr<RaftMetadataLog> Supervisor::leading() const {
  auto raft = state_.log.raft();
  return raft && raft->is_leader() ? raft : nullptr;
}

Observations Supervisor::observe(const ClusterMetadata& metadata) const {
  Observations seen;
  seen.now = boot_now();
  for (const auto& [id, node] : metadata.nodes) {
    seen.nodes[id] = {state_.liveness.dead(id), state_.liveness.last(id), state_.liveness.silence(id)};
  }
  const bool just_started = seen.now - kProcessStart < kSettlingTime + kLease;
  const bool all_heard = std::all_of(seen.nodes.begin(), seen.nodes.end(), [&](const auto& item) {
    const auto& node = metadata.nodes.at(item.first);
    return item.second.beat || node.status == NodeStatus::kRemoved || node.raft_id == 0;
  });
  // Heard by a leader before, since this process started: it has started as well, whatever became of it.
  const auto contacts = state_.contacts.all();
  const bool all_started = std::all_of(metadata.nodes.begin(), metadata.nodes.end(), [&](const auto& item) {
    const auto contact = contacts.find(item.first);
    const bool beaten =
        contact != contacts.end() && contact->second.servers_hash && contact->second.at >= kProcessStart;
    return beaten || item.second.status == NodeStatus::kRemoved;
  });
  seen.settled = !just_started || all_heard || all_started || state_.liveness.leading_for() > kSettlingTime;
  return seen;
}

void Supervisor::propose(const cluster::MetadataCommand& command) {
  const auto decided = state_.log.propose(command);
  if (!decided) {
    spdlog::debug("{} was refused: {}", cluster::command_name(command), decided.error().message);
    return;
  }
  spdlog::info("{}", cluster::encode_command(command));
}

void Supervisor::repair_round() {
  const auto raft = leading();
  if (!raft) {
    led_term_ = 0;
    return;
  }
  if (const auto term = raft->term(); term != led_term_) {
    led_term_ = term;
    state_.liveness.elected();
    plan_.reset();
    moves_.reset();
    trigger_.reset();
    spdlog::info("leads the metadata in term {}", term);
  }
  const auto metadata = state_.log.current();
  if (metadata->cluster_id.empty()) return;
  plan_round(*raft, *metadata);
}

void Supervisor::plan_round(RaftMetadataLog& raft, const ClusterMetadata& metadata) {
  const auto seen = observe(metadata);
  auto commands = plan_.next(metadata, seen);
  std::set<ShardId> busy;
  for (const auto& command : commands) {
    if (const auto shard = shard_of(command)) busy.insert(*shard);
  }
  for (auto& command : moves_.next(metadata, seen, busy, wall_ms())) commands.push_back(std::move(command));
  for (const auto& command : commands) {
    if (!raft.is_leader()) return;
    const auto* removal = std::get_if<cluster::RemoveNode>(&command);
    if (removal == nullptr || removal->node != state_.options.self) {
      propose(command);
    } else if (const auto moved = raft.transfer_leadership(std::nullopt); !moved) {
      // Whoever leads then removes this node.
      spdlog::debug("this node is drained and leads the metadata: {}", moved.error().message);
    }
  }
  if (trigger_.due(metadata, seen)) rebalance(metadata);
}

void Supervisor::rebalance(const ClusterMetadata& metadata) {
  auto moves = cluster::balancing_moves(metadata, {});
  if (moves.empty()) return;
  if (moves.size() > kRebalanceMoves) moves.resize(kRebalanceMoves);
  spdlog::info("the active nodes have changed: {} moves make the shards even", moves.size());
  propose(cluster::StartMoves{std::move(moves), cluster::MoveCause::kRebalance, wall_ms()});
}

void Supervisor::admission_round() {
  const auto raft = leading();
  if (!raft) return;
  const auto metadata = state_.log.current();
  if (metadata->cluster_id.empty()) return;
  auto outcome = expel_strangers(*raft, *metadata);
  for (const auto& [id, node] : metadata->nodes) {
    if (!outcome) break;
    if (node.raft_id != 0 && node.status != NodeStatus::kRemoved) outcome = admit(*raft, *metadata, node);
    if (node.raft_id == 0 && node.status == NodeStatus::kJoining) invite(node);
    if (node.raft_id != 0 && node.status == NodeStatus::kRemoved) dismiss(*metadata, node);
  }
  declare_formed(*state_.log.current());
  raise_protocol(*state_.log.current());
  if (outcome) {
    last_problem_.clear();
    return;
  }
  if (outcome.error().message != last_problem_) spdlog::warn("members of the metadata: {}", outcome.error().message);
  last_problem_ = outcome.error().message;
}

Result<void> Supervisor::admit(RaftMetadataLog& raft, const ClusterMetadata& metadata, const NodeRecord& node) {
  const auto members = raft.members();
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.raft_id == node.raft_id; });
  if (found == members.end()) {
    spdlog::info("node '{}' becomes a member of the metadata", node.id.value());
    RETURN_IF_ERROR(raft.add_member(node.raft_id));
  }
  const bool votes = found != members.end() && found->role == MemberRole::kVoter;
  if (!votes && voters(members) < wanted_voters(metadata.member_count())) RETURN_IF_ERROR(raft.promote(node.raft_id));
  // Only once it was heard: an active node that was not is dead.
  const auto beat = state_.liveness.last(node.id);
  if (node.status == NodeStatus::kJoining && beat && beat->raft_id == node.raft_id) {
    propose(cluster::SetNodeStatus{node.id, node.raft_id, NodeStatus::kJoining, NodeStatus::kActive});
  }
  return {};
}

/// Calls a node that an operator has added. One that may join does; why another one does not stands in its record. The
/// call may take long, and is looked at in a later round.
void Supervisor::invite(const NodeRecord& node) {
  auto& invitation = invitations_[node.id];
  const auto endpoint = make_endpoint(node.address, node.grpc_port);
  if (invitation.answer.valid()) {
    if (invitation.answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    auto told = node;
    told.problem = reason_not_to_join(node, endpoint, invitation.answer.get());
    if (told.problem != node.problem) {
      if (!told.problem.empty()) spdlog::warn("node '{}' has not joined: {}", node.id.value(), told.problem);
      propose(cluster::UpsertNode{std::move(told), 0});
    }
  }
  const auto now = boot_now();
  if (now - invitation.last < kCallAgain) return;
  invitation.last = now;
  auto self = state_.hello();
  self.invites = true;
  invitation.answer =
      std::async(std::launch::async, [peer = state_.peers.membership(endpoint), self] { return peer->hello(self); });
}

std::string Supervisor::reason_not_to_join(const NodeRecord& node, const std::string& endpoint,
                                           const Result<peer::Hello>& answer) const {
  if (!answer) return fmt::format("it does not answer at {}", endpoint);
  if (answer->node != node.id)
    return fmt::format("the process at {} calls itself '{}'", endpoint, answer->node.value());
  if (!answer->cluster_id.empty() && answer->cluster_id != state_.identity.current().cluster_id) {
    return fmt::format("it belongs to another cluster, {}; empty its data directory", answer->cluster_id);
  }
  if (answer->has_data) return "it holds collections of its own; export them, or empty its data directory";
  return "";
}

/// The Raft group does not tell a process that it is no member any more.
void Supervisor::dismiss(const ClusterMetadata& metadata, const NodeRecord& node) {
  auto& calls = dismissals_[node.raft_id];
  if (calls.answer.valid()) {
    if (calls.answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    // A refusal is an answer: another process is there now, or it belongs to another cluster.
    const auto told = calls.answer.get();
    calls.answered = told || told.error().type == ErrorType::kConflict;
  }
  const auto now = boot_now();
  if (calls.answered || calls.made >= kDismissals || (calls.made > 0 && now - calls.last < kCallAgain)) return;
  calls.last = now;
  ++calls.made;
  const auto endpoint = make_endpoint(node.address, node.grpc_port);
  calls.answer = std::async(std::launch::async, [peer = state_.peers.membership(endpoint), id = metadata.cluster_id] {
    return peer->you_are_removed(id);
  });
}

Result<void> Supervisor::expel_strangers(RaftMetadataLog& raft, const ClusterMetadata& metadata) {
  for (const auto& member : raft.members()) {
    const bool known = std::any_of(metadata.nodes.begin(), metadata.nodes.end(), [&](const auto& item) {
      return item.second.raft_id == member.raft_id && item.second.status != NodeStatus::kRemoved;
    });
    if (known || member.raft_id == state_.identity.current().raft_id) continue;
    if (member.role == MemberRole::kVoter && !majority_without(raft, metadata, member.raft_id)) {
      return Error{ErrorType::kNoLeader,
                   fmt::format("too few voters are there to remove the process with raft id {:x}", member.raft_id)};
    }
    RETURN_IF_ERROR(raft.remove_member(member.raft_id));
    spdlog::info("the process with raft id {:x} is no member of the metadata any more", member.raft_id);
  }
  return {};
}

/// Whether the voters that are left and alive can decide without this one.
bool Supervisor::majority_without(RaftMetadataLog& raft, const ClusterMetadata& metadata, std::uint64_t raft_id) const {
  std::size_t left = 0, alive = 0;
  for (const auto& member : raft.members()) {
    if (member.role != MemberRole::kVoter || member.raft_id == raft_id) continue;
    ++left;
    alive += static_cast<std::size_t>(std::any_of(metadata.nodes.begin(), metadata.nodes.end(), [&](const auto& item) {
      return item.second.raft_id == member.raft_id && !state_.liveness.dead(item.first);
    }));
  }
  return 2 * alive > left;
}

void Supervisor::declare_formed(const ClusterMetadata& metadata) {
  if (!metadata.forming()) return;
  const auto joined = std::count_if(metadata.nodes.begin(), metadata.nodes.end(), [](const auto& item) {
    return item.second.raft_id != 0 && item.second.status != NodeStatus::kJoining &&
           item.second.status != NodeStatus::kRemoved;
  });
  if (joined < static_cast<std::ptrdiff_t>(metadata.expected_nodes)) return;
  propose(cluster::Formed{});
}

void Supervisor::raise_protocol(const ClusterMetadata& metadata) {
  if (metadata.forming()) return;
  auto common = known_protocol();
  for (const auto& [id, node] : metadata.nodes) {
    if (node.raft_id != 0 && node.status != NodeStatus::kRemoved) common = std::min(common, node.protocol);
  }
  if (common > metadata.protocol) propose(cluster::RaiseProtocol{common});
}

}  // namespace vectorizer::control
