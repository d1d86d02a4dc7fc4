#include "supervisor.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

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

const BootTime kProcessStart = boot_now();

std::size_t voters(const std::vector<consensus::Member>& members) {
  return static_cast<std::size_t>(std::count_if(members.begin(), members.end(),
                                                [](const auto& member) { return member.role == MemberRole::kVoter; }));
}

}  // namespace

std::size_t wanted_voters(std::size_t members) {
  if (members <= 3) return members;
  return members >= 5 ? 5 : 3;
}

void Supervisor::start() {
  repairs_.start(kRepairInterval, [this](const std::stop_token&) { repair_round(); });
  admissions_.start(kAdmissionInterval, [this](const std::stop_token&) { admission_round(); });
}

void Supervisor::stop() {
  repairs_.stop();
  admissions_.stop();
}

std::shared_ptr<RaftMetadataLog> Supervisor::leading() const {
  auto raft = state_.log.raft();
  return raft && raft->is_leader() ? raft : nullptr;
}

Observations Supervisor::observe(const ClusterMetadata& metadata) const {
  Observations seen;
  seen.now = boot_now();
  for (const auto& [id, node] : metadata.nodes) {
    seen.nodes[id] = {state_.liveness.dead(id), state_.liveness.last(id)};
  }
  const bool just_started = seen.now - kProcessStart < kSettlingTime + kLease;
  const bool all_heard = std::all_of(seen.nodes.begin(), seen.nodes.end(), [&](const auto& item) {
    return item.second.beat || metadata.nodes.at(item.first).status == NodeStatus::kRemoved;
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
    spdlog::info("leads the metadata in term {}", term);
  }
  const auto metadata = state_.log.current();
  if (metadata->cluster_id.empty()) return;
  for (const auto& command : plan_.next(*metadata, observe(*metadata))) {
    if (!raft->is_leader()) return;
    propose(command);
  }
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
  }
  declare_formed(*state_.log.current());
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
  if (!votes && voters(members) < wanted_voters(metadata.nodes.size())) RETURN_IF_ERROR(raft.promote(node.raft_id));
  if (node.status == NodeStatus::kJoining) {
    propose(cluster::SetNodeStatus{node.id, node.raft_id, NodeStatus::kJoining, NodeStatus::kActive});
  }
  return {};
}

Result<void> Supervisor::expel_strangers(RaftMetadataLog& raft, const ClusterMetadata& metadata) {
  for (const auto& member : raft.members()) {
    const bool known = std::any_of(metadata.nodes.begin(), metadata.nodes.end(), [&](const auto& item) {
      return item.second.raft_id == member.raft_id && item.second.status != NodeStatus::kRemoved;
    });
    if (known || member.raft_id == state_.identity.current().raft_id) continue;
    spdlog::info("the process with raft id {:x} is no member of the metadata any more", member.raft_id);
    RETURN_IF_ERROR(raft.remove_member(member.raft_id));
  }
  return {};
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

}  // namespace vectorizer::control
