#include "cluster_log.hpp"

#include <fmt/format.h>

#include <thread>

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using Clock = std::chrono::steady_clock;
using Metadata = std::shared_ptr<const ClusterMetadata>;

constexpr std::chrono::milliseconds kRetryInterval{100};

/// What a client asked for; it waits until the cluster is complete.
bool is_clients(const cluster::MetadataCommand& command) {
  return std::holds_alternative<cluster::CreateCollection>(command) ||
         std::holds_alternative<cluster::AlterCollection>(command) ||
         std::holds_alternative<cluster::DropCollection>(command);
}

}  // namespace

void ClusterLog::attach(std::shared_ptr<consensus::RaftMetadataLog> raft) {
  {
    const std::lock_guard lock(mutex_);
    raft_ = raft;
  }
  raft->observe([this](const Metadata& metadata) { publish(metadata); });
}

void ClusterLog::detach() {
  std::shared_ptr<consensus::RaftMetadataLog> ended;  // destroyed after the lock is released: its observers take it
  const std::lock_guard lock(mutex_);
  ended.swap(raft_);
}

std::shared_ptr<consensus::RaftMetadataLog> ClusterLog::raft() const {
  const std::lock_guard lock(mutex_);
  return raft_;
}

void ClusterLog::set_waiting_for(std::string reason) {
  const std::lock_guard lock(mutex_);
  waiting_for_ = std::move(reason);
}

std::string ClusterLog::waiting_for() const {
  const std::lock_guard lock(mutex_);
  return waiting_for_;
}

void ClusterLog::publish(const Metadata& metadata) {
  {
    const std::lock_guard lock(mutex_);
    if (metadata->epoch < current_->epoch) return;
    current_ = metadata;
  }
  advanced_.notify_all();
  for (const auto& observer : observers_) observer(metadata);
}

void ClusterLog::observe(Observer observer) {
  observers_.push_back(observer);
  observer(current());
}

Metadata ClusterLog::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Error ClusterLog::no_leader() const {
  const auto waiting = waiting_for();
  if (!waiting.empty()) return Error{ErrorType::kNoLeader, waiting};
  return Error{ErrorType::kNoLeader,
               "no leader: this node cannot reach a majority of the cluster, which alone can change the metadata"};
}

NodeId ClusterLog::leader() const {
  const auto raft = this->raft();
  if (raft == nullptr) return NodeId();
  const auto id = raft->leader_raft_id();
  const auto metadata = current();
  for (const auto& [name, node] : metadata->nodes) {
    if (id != 0 && node.raft_id == id) return name;
  }
  return NodeId();
}

Result<std::shared_ptr<peer::MembershipPeer>> ClusterLog::leader_peer() const {
  const auto raft = this->raft();
  const auto id = raft == nullptr ? 0 : raft->leader_raft_id();
  const auto endpoint = id == 0 ? std::nullopt : book_.endpoint_of(id);
  if (!endpoint) return no_leader();
  return peers_.membership(*endpoint);
}

Result<std::uint64_t> ClusterLog::ask_leader(const std::string& encoded) {
  ASSIGN_OR_RETURN(const auto leader, leader_peer());
  return leader->propose(encoded);
}

Result<void> ClusterLog::wait_for_epoch(std::uint64_t epoch, Time deadline) const {
  std::unique_lock lock(mutex_);
  if (advanced_.wait_until(lock, deadline, [&] { return current_->epoch >= epoch; })) return {};
  return Error{ErrorType::kTimeout, fmt::format("this node has not caught up with the metadata (epoch {}, decided {})",
                                                current_->epoch, epoch)};
}

Result<Metadata> ClusterLog::propose(const cluster::MetadataCommand& command) {
  if (is_clients(command)) {
    if (const auto waiting = waiting_for(); !waiting.empty()) return Error{ErrorType::kNoLeader, waiting};
  }
  const auto deadline = Clock::now() + timeout_;
  const auto encoded = cluster::encode_command(command);
  for (;;) {
    const auto raft = this->raft();
    if (raft != nullptr && raft->is_leader()) {
      auto decided = raft->propose(command);
      if (decided || decided.error().type != ErrorType::kNoLeader) return decided;
    } else if (auto epoch = ask_leader(encoded)) {
      if (auto seen = wait_for_epoch(*epoch, deadline); !seen)
        return std::move(seen.error()).with("outcome", "applied");
      return current();
    } else if (const auto type = epoch.error().type;
               type != ErrorType::kNoLeader && type != ErrorType::kNodeUnreachable) {
      return epoch.error();
    }
    if (Clock::now() + kRetryInterval >= deadline) return no_leader();
    std::this_thread::sleep_for(kRetryInterval);
  }
}

Result<void> ClusterLog::catch_up() {
  const auto deadline = Clock::now() + timeout_;
  for (;;) {
    const auto raft = this->raft();
    if (raft != nullptr && raft->is_leader()) {
      auto epoch = raft->barrier();
      if (epoch) return {};
      if (epoch.error().type != ErrorType::kNoLeader) return epoch.error();
    } else if (auto leader = leader_peer()) {
      auto epoch = (*leader)->barrier();
      if (epoch) return wait_for_epoch(*epoch, deadline);
    }
    if (Clock::now() + kRetryInterval >= deadline) return no_leader();
    std::this_thread::sleep_for(kRetryInterval);
  }
}

}  // namespace vectorizer::control
