#include "vectorizer/control/membership.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>

#include "discovery.hpp"
#include "member_state.hpp"
#include "node_record.hpp"
#include "reachability.hpp"
#include "rollback_guard.hpp"
#include "supervisor.hpp"
#include "vectorizer/base/periodic.hpp"
#include "watchdog.hpp"

namespace vectorizer::control {
namespace {

using peer::IdentityState;

/// How long an incarnation of a node must have been silent before another disk may take its name.
constexpr std::chrono::milliseconds kReplaceAfter{2000};
constexpr std::chrono::seconds kSaveMemory{30};

class MembershipImpl final : public Membership {
 public:
  MembershipImpl(MembershipOptions options, IdentityFile& identity, peer::MembershipDirectory& peers,
                 peer::StreamConnector& streams, MetricsRegistry& metrics, AddressBook::OnChange on_endpoint)
      : streams_(streams),
        metrics_(metrics),
        state_(std::move(options), identity, peers, std::move(on_endpoint)),
        rollback_(
            state_, state_.options.raft_directory.parent_path() / "peers", [this] { return local_.copies(); },
            [this](auto copies) { local_.lose(std::move(copies)); }),
        discovery_(
            state_, [this](auto initial) { return open_log(std::move(initial)); },
            [this](const peer::Hello& self) { return join(self); }),
        supervisor_(state_),
        reachability_([this] { return other_members(); }, [this](const NodeId& node) { return reach(node); }) {
    rollback_.load();  // others may ask before this one starts
  }
  ~MembershipImpl() override { stop(); }

  cluster::MetadataLog& metadata() override { return state_.log; }
  Result<void> start(LocalHooks local) override;
  Result<void> save(const std::filesystem::path& directory) const override;
  void hand_over() override;
  void stop() override;
  bool lease_valid() const override { return state_.lease.valid(); }
  std::vector<std::string> problems() const override;
  std::vector<ListedServer> missing() const override { return discovery_.missing(); }
  std::map<NodeId, MemberContact> contacts() const override;
  Result<peer::Hello> greet(const std::string& endpoint) override {
    return state_.peers.membership(endpoint)->hello(state_.hello());
  }
  Result<peer::Hello> ask(const NodeId& node) override;
  std::uint64_t term() const override;
  std::uint64_t servers_hash() const override { return state_.servers_hash; }
  Result<void> serve_raft(const peer::StreamRoute& route, peer::ByteStream& stream) override;

  Result<peer::Hello> hello(const peer::Hello& caller) override;
  Result<peer::Remembered> remembered(const peer::Positions& told) override;
  Result<void> claim(const peer::ClaimRequest& request) override;
  Result<void> join(const peer::Hello& newcomer) override;
  Result<void> you_are_removed(const std::string& cluster_id) override;
  Result<peer::BeatReply> beat(const peer::Beat& beat) override;
  Result<std::uint64_t> propose(const std::string& command) override;
  Result<std::uint64_t> barrier() override;

 private:
  Result<void> open_log(std::optional<cluster::ClusterMetadata> initial);
  void consider_invitation(const peer::Hello& caller);
  void watch(const std::shared_ptr<const cluster::ClusterMetadata>& metadata);
  void send_beat();
  void watch_disk();
  std::vector<NodeId> other_members() const;
  bool reach(const NodeId& node);
  consensus::RaftOptions raft_options() const;
  Result<void> check_not_put_back();
  /// What an operator does about a Raft store that is damaged.
  Error with_advice(const Error& error) const;
  Result<std::shared_ptr<consensus::RaftMetadataLog>> leading() const;

  peer::StreamConnector& streams_;
  MetricsRegistry& metrics_;
  MemberState state_;
  RollbackGuard rollback_;
  Discovery discovery_;
  Supervisor supervisor_;
  Reachability reachability_;
  LocalHooks local_;
  Periodic saving_;
  mutable std::mutex refusal_mutex_;
  std::string refusal_;  // of the last beat that was answered; guarded by refusal_mutex_
  Periodic beats_;
  Watchdog watchdog_;  // by the thread of watching_
  std::atomic<bool> stalled_ = false;
  Periodic watching_;
  std::mutex claim_mutex_;  // one promise at a time
};

Result<void> MembershipImpl::start(LocalHooks local) {
  local_ = std::move(local);
  state_.log.observe([this](const auto& metadata) { watch(metadata); });
  const auto self = state_.identity.current();
  if (self.state == IdentityState::kRemoved) {
    return Error{ErrorType::kConflict,
                 fmt::format("this node was removed from cluster {}; empty its data directory to let it join again",
                             self.cluster_id)};
  }
  if (!state_.endpoint().empty()) state_.book.met(state_.options.self, self.raft_id, state_.endpoint());
  if (self.state == IdentityState::kMember || self.state == IdentityState::kJoining) {
    RETURN_IF_ERROR(check_not_put_back());
    if (auto opened = open_log(std::nullopt); !opened) return with_advice(opened.error());
    state_.log.set_waiting_for("starting: waiting for the metadata of the cluster");
  }
  discovery_.start();
  supervisor_.start();
  reachability_.start();
  saving_.start(kSaveMemory, [this](const std::stop_token&) { rollback_.save(); });
  watching_.start(Watchdog::kInterval, [this](const std::stop_token&) { watch_disk(); });
  beats_.start(kBeatInterval, [this](const std::stop_token&) { send_beat(); });
  return {};
}

Error MembershipImpl::with_advice(const Error& error) const {
  if (error.type != ErrorType::kConflict) return error;
  return Error{ErrorType::kConflict,
               fmt::format("{}. Node '{}' must not vote with it: empty its data directory and start it again; it then "
                           "joins as a new node and receives its data from the others",
                           error.message, state_.options.self.value())};
}

Result<void> MembershipImpl::check_not_put_back() {
  peer::Positions own;
  own.raft_id = state_.identity.current().raft_id;
  const auto raft = consensus::raft_position(raft_options());
  if (!raft) return with_advice(raft.error());
  own.raft_term = raft->term;
  own.raft_index = raft->index;
  own.copies = local_.positions();
  return rollback_.check(std::move(own), discovery_.known_servers());
}

Result<void> MembershipImpl::save(const std::filesystem::path& directory) const {
  std::error_code problem;
  std::filesystem::copy_file(state_.identity.path(), directory / state_.identity.path().filename(), problem);
  const auto raft = state_.log.raft();
  if (!problem && raft != nullptr) std::filesystem::create_directories(directory / "raft", problem);
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot write to '{}': {}", directory.string(), problem.message())};
  }
  return raft == nullptr ? Result<void>() : raft->checkpoint(directory / "raft" / "store");
}

void MembershipImpl::hand_over() {
  const auto raft = leading();
  if (!raft || state_.log.current()->nodes.size() < 2) return;
  if (const auto moved = (*raft)->transfer_leadership(std::nullopt); !moved) {
    spdlog::info("the metadata keeps its leader until this node is gone: {}", moved.error().message);
  }
}

void MembershipImpl::stop() {
  beats_.stop();
  watching_.stop();
  reachability_.stop();
  saving_.stop();
  if (state_.log.raft()) rollback_.save();
  supervisor_.stop();
  discovery_.stop();
  state_.log.detach();
}

consensus::RaftOptions MembershipImpl::raft_options() const {
  consensus::RaftOptions options;
  options.raft_id = state_.identity.current().raft_id;
  options.directory = state_.options.raft_directory;
  options.on_failure = state_.options.on_fatal;
  return options;
}

Result<void> MembershipImpl::open_log(std::optional<cluster::ClusterMetadata> initial) {
  const auto options = raft_options();
  ASSIGN_OR_RETURN(const bool empty, consensus::raft_is_empty(options));
  if (initial && empty) RETURN_IF_ERROR(consensus::bootstrap_raft(options, *initial));
  ASSIGN_OR_RETURN(auto raft, consensus::make_raft_metadata_log(options, streams_, metrics_));
  state_.log.attach(std::move(raft));
  return {};
}

void MembershipImpl::watch(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) {
  state_.book.update(*metadata);
  if (metadata->formed) state_.log.set_waiting_for("");
  supervisor_.poke();
}

void MembershipImpl::watch_disk() {
  const auto waiting = local_.disk_wait();
  const auto verdict = watchdog_.look(waiting, boot_now());
  if (verdict == Watchdog::Verdict::kHung) state_.options.on_hung(waiting);
  const bool stalled = verdict != Watchdog::Verdict::kWorks;
  if (stalled == stalled_) return;
  stalled_ = stalled;
  if (stalled) {
    spdlog::error("something has been waiting for the disk for {} ms: this node gives up its lease", waiting.count());
  } else {
    spdlog::info("the disk answers again");
  }
}

void MembershipImpl::send_beat() {
  const auto self = state_.identity.current();
  const auto raft = state_.log.raft();
  if (!raft) return;
  peer::Beat beat;
  beat.node = state_.options.self;
  beat.raft_id = self.raft_id;
  beat.boot_nonce = self.boot_nonce;
  beat.stalled = stalled_;
  beat.servers_hash = state_.servers_hash;
  beat.copies = local_.copies();
  beat.unreachable = reachability_.unreachable();
  const auto sent = boot_now();
  Result<peer::BeatReply> reply = peer::BeatReply{};
  if (raft->is_leader()) {
    reply = this->beat(beat);
  } else if (auto leader = state_.log.leader_peer()) {
    reply = (*leader)->beat(beat);
  } else {
    return;
  }
  if (!reply) return;
  {
    const std::lock_guard lock(refusal_mutex_);
    if (!reply->refusal.empty() && reply->refusal != refusal_) spdlog::warn("no lease: {}", reply->refusal);
    refusal_ = reply->refusal;
  }
  state_.contacts.learn(*reply, boot_now());
  if (!reply->lease || beat.stalled) return;
  if (local_.follows(reply->metadata_epoch, kBeatInterval)) state_.lease.granted(sent);
}

std::vector<NodeId> MembershipImpl::other_members() const {
  std::vector<NodeId> others;
  const auto metadata = state_.log.current();
  for (const auto& [id, node] : metadata->nodes) {
    if (id != state_.options.self && node.raft_id != 0 && node.status != cluster::NodeStatus::kRemoved) {
      others.push_back(id);
    }
  }
  return others;
}

bool MembershipImpl::reach(const NodeId& node) {
  const auto metadata = state_.log.current();
  const auto found = metadata->nodes.find(node);
  if (found == metadata->nodes.end()) return true;
  const auto endpoint = state_.book.endpoint_of(found->second.raft_id);
  if (!endpoint) return false;
  const auto told = rollback_.tell(node, *state_.peers.membership(*endpoint));
  if (!told && told.error().type == ErrorType::kConflict) state_.options.on_fatal(told.error());
  return static_cast<bool>(told);
}

std::vector<std::string> MembershipImpl::problems() const {
  std::vector<std::string> lines;
  const auto waiting = state_.log.waiting_for();
  if (!waiting.empty()) lines.push_back(waiting);
  if (stalled_) lines.emplace_back("the disk hangs: this node renews no lease");
  if (waiting.empty() && !state_.lease.valid()) {
    const std::lock_guard lock(refusal_mutex_);
    lines.push_back(refusal_.empty() ? "no lease: this node cannot reach the leader of the metadata"
                                     : "no lease: " + refusal_);
  }
  return lines;
}

std::map<NodeId, MemberContact> MembershipImpl::contacts() const {
  const auto wall = std::chrono::system_clock::now();
  const auto now = boot_now();
  std::map<NodeId, MemberContact> contacts;
  for (const auto& [node, contact] : state_.contacts.all()) {
    const auto ago = std::chrono::duration_cast<std::chrono::milliseconds>(now - contact.at);
    contacts[node] = {wall - ago, contact.servers_hash};
  }
  return contacts;
}

Result<peer::Hello> MembershipImpl::ask(const NodeId& node) {
  if (node == state_.options.self) {
    auto here = state_.hello();
    state_.describe_metadata(here);
    return here;
  }
  const auto metadata = state_.log.current();
  const auto found = metadata->nodes.find(node);
  const auto endpoint = found == metadata->nodes.end() ? std::nullopt : state_.book.endpoint_of(found->second.raft_id);
  if (!endpoint) {
    return Error{ErrorType::kNodeUnreachable, fmt::format("Failed to get client for node '{}'", node.value())}.with(
        "node", node.value());
  }
  ASSIGN_OR_RETURN(auto answer, state_.peers.membership(*endpoint)->hello(state_.hello()));
  if (answer.raft_id != found->second.raft_id) {
    return Error{ErrorType::kNodeUnreachable,
                 fmt::format("another process ('{}') answers at {}", answer.node.value(), *endpoint)}
        .with("node", node.value());
  }
  state_.contacts.met(node, boot_now());
  return answer;
}

std::uint64_t MembershipImpl::term() const {
  const auto raft = state_.log.raft();
  return raft == nullptr ? 0 : raft->term();
}

Result<void> MembershipImpl::serve_raft(const peer::StreamRoute& route, peer::ByteStream& stream) {
  const auto raft = state_.log.raft();
  if (raft != nullptr) return raft->serve(route, stream);
  stream.close();
  return Error{ErrorType::kShuttingDown, "this node does not belong to a cluster yet"};
}

Result<std::shared_ptr<consensus::RaftMetadataLog>> MembershipImpl::leading() const {
  const auto raft = state_.log.raft();
  if (raft != nullptr && raft->is_leader()) return raft;
  return Error{ErrorType::kNoLeader, fmt::format("node '{}' does not lead the metadata", state_.options.self.value())};
}

Result<peer::Hello> MembershipImpl::hello(const peer::Hello& caller) {
  const auto self = state_.identity.current();
  auto answer = state_.hello();
  if (caller.invites && caller.state == IdentityState::kMember) consider_invitation(caller);
  if (caller.cluster_id.empty() || caller.cluster_id != self.cluster_id) return answer;
  if (!caller.endpoint.empty()) state_.book.met(caller.node, caller.raft_id, caller.endpoint);
  state_.contacts.met(caller.node, boot_now());
  state_.describe_metadata(answer);
  return answer;
}

/// Whoever may call a node without a secret is a stranger, unless it is in the node's own list.
void MembershipImpl::consider_invitation(const peer::Hello& caller) {
  const auto& servers = state_.options.servers;
  const bool listed = std::any_of(servers.begin(), servers.end(),
                                  [&](const auto& server) { return server.endpoint == caller.endpoint; });
  if (listed || state_.options.secured) {
    discovery_.invited_by({caller.node.value(), caller.endpoint});
  } else {
    spdlog::warn("'{}' at {} invites this node and is not in cluster.servers; there is no cluster.secret to prove it",
                 caller.node.value(), caller.endpoint);
  }
}

Result<peer::Remembered> MembershipImpl::remembered(const peer::Positions& told) {
  if (state_.identity.current().state == IdentityState::kMember && state_.log.current()->nodes.empty()) {
    return Error{ErrorType::kNoLeader, "this node has not read the metadata yet"};
  }
  return rollback_.answer(told);
}

Result<void> MembershipImpl::claim(const peer::ClaimRequest& request) {
  const std::lock_guard lock(claim_mutex_);
  RETURN_IF_ERROR(check_claim(state_.hello(), request));
  return state_.identity.update([&](Identity& identity) {
    identity.state = IdentityState::kClaimed;
    identity.cluster_id = request.cluster_id;
    identity.claimed_by = request.from_uuid;
    identity.claimed_by_endpoint = request.from_endpoint;
  });
}

Result<void> MembershipImpl::join(const peer::Hello& newcomer) {
  RETURN_IF_ERROR(leading());
  ASSIGN_OR_RETURN(auto node, record_of(newcomer));
  const auto metadata = state_.log.current();
  std::uint64_t replaces = 0;
  const auto known = metadata->nodes.find(node.id);
  const bool other_disk = known != metadata->nodes.end() && known->second.raft_id != 0 &&
                          known->second.raft_id != node.raft_id &&
                          known->second.status != cluster::NodeStatus::kRemoved;
  if (other_disk) {
    if (state_.liveness.silence(node.id) < kReplaceAfter) {
      return Error{ErrorType::kConflict,
                   fmt::format("node '{}' is alive at {}:{}; the one at {} must have another node_id", node.id.value(),
                               known->second.address, known->second.grpc_port, newcomer.endpoint)};
    }
    replaces = known->second.raft_id;
    spdlog::warn("node '{}' comes back with an empty disk: its copies are made again", node.id.value());
  }
  const bool removed = known != metadata->nodes.end() && known->second.raft_id == node.raft_id &&
                       known->second.status == cluster::NodeStatus::kRemoved;
  const auto decided = state_.log.propose(cluster::UpsertNode{std::move(node), replaces});
  if (!decided) {
    // It was away when it was removed.
    if (removed) static_cast<void>(state_.peers.membership(newcomer.endpoint)->you_are_removed(metadata->cluster_id));
    return decided.error();
  }
  state_.book.met(newcomer.node, newcomer.raft_id, newcomer.endpoint);
  return {};
}

Result<void> MembershipImpl::you_are_removed(const std::string& cluster_id) {
  const auto self = state_.identity.current();
  if (self.cluster_id != cluster_id) {
    return Error{ErrorType::kConflict,
                 fmt::format("this node belongs to cluster {}, not {}", self.cluster_id, cluster_id)};
  }
  RETURN_IF_ERROR(state_.identity.update([](Identity& identity) { identity.state = IdentityState::kRemoved; }));
  discovery_.poke();  // its thread ends what this node has of the cluster
  return {};
}

Result<peer::BeatReply> MembershipImpl::beat(const peer::Beat& beat) {
  ASSIGN_OR_RETURN(const auto raft, leading());
  // A leader that was cut off does not know it: a lease is granted only once a majority has confirmed, after the beat
  // arrived, that it still leads.
  ASSIGN_OR_RETURN(const auto epoch, raft->barrier());
  peer::BeatReply reply;
  reply.metadata_epoch = epoch;
  const auto metadata = state_.log.current();
  const auto found = metadata->nodes.find(beat.node);
  const bool member = found != metadata->nodes.end() && found->second.raft_id == beat.raft_id &&
                      found->second.status != cluster::NodeStatus::kRemoved;
  if (!member) {
    reply.refusal = "this node is no member of the metadata";
    return reply;
  }
  if (beat.stalled) {
    reply.refusal = "the disk or a queue of this node hangs";
    return reply;
  }
  if (state_.liveness.unreachable(beat.node, metadata->member_count())) {
    reply.refusal = "a majority of the nodes cannot reach this one";
    return reply;
  }
  state_.liveness.granted(beat);
  reply.lease = true;
  for (const auto& [id, node] : metadata->nodes) {
    const auto last = state_.liveness.last(id);
    if (!last || last->raft_id != node.raft_id) continue;
    const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(state_.liveness.silence(id));
    reply.heard.push_back({id, silence, last->servers_hash});
  }
  return reply;
}

Result<std::uint64_t> MembershipImpl::propose(const std::string& command) {
  ASSIGN_OR_RETURN(const auto raft, leading());
  ASSIGN_OR_RETURN(const auto decoded, cluster::decode_command(command));
  ASSIGN_OR_RETURN(const auto decided, raft->propose(decoded));
  return decided->epoch;
}

Result<std::uint64_t> MembershipImpl::barrier() {
  ASSIGN_OR_RETURN(const auto raft, leading());
  return raft->barrier();
}

}  // namespace

std::unique_ptr<Membership> make_membership(
    MembershipOptions options, IdentityFile& identity, peer::MembershipDirectory& peers, peer::StreamConnector& streams,
    MetricsRegistry& metrics,
    std::function<void(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint)> on_endpoint) {
  return std::make_unique<MembershipImpl>(std::move(options), identity, peers, streams, metrics,
                                          std::move(on_endpoint));
}

}  // namespace vectorizer::control
