#include "raft_log.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::consensus {
namespace {

/// A command is one message, and the loop does nothing else while it is copied.
constexpr std::size_t kMaxCommandBytes = std::size_t{1} << 20;
constexpr std::chrono::seconds kSpaceFreshness{1};
constexpr std::chrono::seconds kHandOverInterval{10};

Error no_answer(std::chrono::milliseconds limit) {
  return Error{ErrorType::kTimeout,
               fmt::format("the metadata log gave no answer within {} ms; the change may still be made", limit.count())}
      .with("outcome", "unknown");
}

Result<void> validate(const RaftOptions& options) {
  const auto& timings = options.timings;
  if (options.raft_id == 0) return Error{ErrorType::kInternal, "a member of the metadata log needs a raft id"};
  if (timings.heartbeat.count() < 1 || timings.heartbeat >= timings.election) {
    return Error{ErrorType::kInternal, "the heartbeat of the metadata log must be shorter than its election timeout"};
  }
  return {};
}

}  // namespace

std::string raft_address(std::uint64_t raft_id) {
  return fmt::format("n-{:x}", raft_id);
}

Result<std::unique_ptr<RaftMetadataLog>> make_raft_metadata_log(const RaftOptions& options,
                                                                peer::StreamConnector& connector,
                                                                MetricsRegistry& metrics) {
  ASSIGN_OR_RETURN(auto log, RaftLog::start(options, connector, metrics));
  return std::unique_ptr<RaftMetadataLog>(std::move(log));
}

Result<void> bootstrap_raft(const RaftOptions& options, const cluster::ClusterMetadata& initial) {
  RETURN_IF_ERROR(validate(options));
  ASSIGN_OR_RETURN(const auto store, RaftStore::open(options.directory / "store", options.raft_id));
  raft_configuration configuration;
  raft_configuration_init(&configuration);
  const int status =
      raft_configuration_add(&configuration, options.raft_id, raft_address(options.raft_id).c_str(), RAFT_VOTER);
  auto outcome = status == 0 ? store->bootstrap(configuration, cluster::encode_metadata(initial))
                             : Error{ErrorType::kInternal, raft_strerror(status)};
  raft_configuration_close(&configuration);
  return outcome;
}

Result<bool> raft_is_empty(const RaftOptions& options) {
  const auto directory = options.directory / "store";
  std::error_code problem;
  if (!std::filesystem::exists(directory, problem)) return true;
  ASSIGN_OR_RETURN(const auto store, RaftStore::open(directory, options.raft_id));
  return store->empty();
}

Result<RaftPosition> raft_position(const RaftOptions& options) {
  ASSIGN_OR_RETURN(const bool empty, raft_is_empty(options));
  if (empty) return RaftPosition{};
  ASSIGN_OR_RETURN(const auto store, RaftStore::open(options.directory / "store", options.raft_id));
  ASSIGN_OR_RETURN(const auto loaded, store->load());
  RaftPosition position{loaded.state.term, loaded.snapshot ? loaded.snapshot->index : 0};
  if (!loaded.entries.empty()) position.index = loaded.first + loaded.entries.size() - 1;
  return position;
}

RaftLog::RaftLog(RaftOptions options, MetricsRegistry& metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      machine_([this](const auto& metadata) { observers_.publish(metadata); }) {}

Result<std::unique_ptr<RaftLog>> RaftLog::start(const RaftOptions& options, peer::StreamConnector& connector,
                                                MetricsRegistry& metrics) {
  RETURN_IF_ERROR(validate(options));
  std::unique_ptr<RaftLog> log(new RaftLog(options, metrics));
  RaftNode::Callbacks callbacks;
  callbacks.changed = [raw = log.get()](const RaftStatus& status) { raw->status_changed(status); };
  callbacks.failed = options.on_failure;
  ASSIGN_OR_RETURN(log->node_, RaftNode::start(log->options_, log->machine_, connector, std::move(callbacks)));
  return log;
}

Result<std::shared_ptr<const cluster::ClusterMetadata>> RaftLog::propose(const cluster::MetadataCommand& command) {
  const auto begun = Clock::now();
  const auto until = deadline();
  if (node_->status().is_leader && storage_full()) {
    hand_over();
    return Error{ErrorType::kStorageFull,
                 fmt::format("less than {} MB are free where the metadata is stored", options_.min_free_bytes >> 20)};
  }
  auto encoded = cluster::encode_command(command);
  if (encoded.size() > kMaxCommandBytes) {
    return Error{ErrorType::kPayloadTooLarge, fmt::format("a change of the metadata of {} bytes; {} are the most",
                                                          encoded.size(), kMaxCommandBytes)};
  }
  auto future = node_->submit(std::move(encoded));
  if (future.wait_until(until) != std::future_status::ready) return no_answer(options_.timings.operation);
  auto applied = future.get();
  if (!applied) return applied;
  metrics_.commit_seconds.Observe(std::chrono::duration<double>(Clock::now() - begun).count());
  if (!observers_.wait_for((*applied)->epoch, until)) {
    spdlog::warn("metadata log: observers have not seen epoch {} within {} ms", (*applied)->epoch,
                 options_.timings.operation.count());
  }
  return applied;
}

Result<std::uint64_t> RaftLog::barrier() {
  auto future = node_->barrier();
  if (future.wait_for(options_.timings.operation) != std::future_status::ready) {
    return Error{ErrorType::kTimeout, fmt::format("no majority of the metadata's members answered within {} ms",
                                                  options_.timings.operation.count())};
  }
  RETURN_IF_ERROR(future.get());
  return current()->epoch;
}

Result<void> RaftLog::catch_up() {
  ASSIGN_OR_RETURN(const auto epoch, barrier());
  (void)epoch;
  return {};
}

NodeId RaftLog::leader() const {
  const auto leader = status().leader;
  if (leader == 0) return NodeId();
  const auto metadata = current();
  const auto found = std::find_if(metadata->nodes.begin(), metadata->nodes.end(),
                                  [&](const auto& node) { return node.second.raft_id == leader; });
  return found == metadata->nodes.end() ? NodeId() : found->first;
}

Result<void> RaftLog::change(std::future<Result<void>> outcome, std::chrono::milliseconds limit) {
  if (outcome.wait_for(limit) != std::future_status::ready) return no_answer(limit);
  return outcome.get();
}

std::optional<MemberRole> RaftLog::role(std::uint64_t raft_id) const {
  for (const auto& member : members()) {
    if (member.raft_id == raft_id) return member.role;
  }
  return std::nullopt;
}

Result<void> RaftLog::add_member(std::uint64_t raft_id) {
  RETURN_IF_ERROR(change(node_->add(raft_id), options_.timings.operation));
  if (role(raft_id) == MemberRole::kVoter) return {};
  return change(node_->assign(raft_id, MemberRole::kStandby), options_.timings.operation);
}

Result<void> RaftLog::promote(std::uint64_t raft_id) {
  return change(node_->assign(raft_id, MemberRole::kVoter), options_.timings.promotion);
}

Result<void> RaftLog::demote(std::uint64_t raft_id) {
  return change(node_->assign(raft_id, MemberRole::kStandby), options_.timings.operation);
}

Result<void> RaftLog::remove_member(std::uint64_t raft_id) {
  return change(node_->remove(raft_id), options_.timings.operation);
}

Result<void> RaftLog::transfer_leadership(std::optional<std::uint64_t> to) {
  return change(node_->transfer(to.value_or(0)), options_.timings.operation);
}

bool RaftLog::storage_full() {
  const std::lock_guard lock(space_mutex_);
  const auto now = Clock::now();
  if (looked_ && now - *looked_ < kSpaceFreshness) return full_;
  looked_ = now;
  if (options_.free_bytes) return full_ = options_.free_bytes() < options_.min_free_bytes;
  std::error_code problem;
  const auto space = std::filesystem::space(options_.directory, problem);
  return full_ = !problem && space.available < options_.min_free_bytes;
}

/// To a member that may have room; the next command finds its way there.
void RaftLog::hand_over() {
  {
    const std::lock_guard lock(space_mutex_);
    const auto now = Clock::now();
    if (handed_over_ && now - *handed_over_ < kHandOverInterval) return;
    handed_over_ = now;
  }
  spdlog::error("metadata log: the disk is nearly full; another member is asked to lead");
  static_cast<void>(node_->transfer(0));
}

void RaftLog::status_changed(const RaftStatus& status) {
  metrics_.term.Set(static_cast<double>(status.term));
  metrics_.is_leader.Set(status.is_leader ? 1 : 0);
  if (status.leader == 0 || status.leader == last_leader_) return;
  last_leader_ = status.leader;
  metrics_.leader_changes.Increment();
  spdlog::info("metadata log: {} leads, term {}{}", raft_address(status.leader), status.term,
               status.is_leader ? "; it is this node" : "");
}

}  // namespace vectorizer::consensus
