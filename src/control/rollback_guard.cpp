#include "rollback_guard.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <future>
#include <utility>

namespace vectorizer::control {

void RollbackGuard::load() {
  if (const auto loaded = memory_.load(); !loaded) {
    spdlog::warn("{}: how far the other nodes were is forgotten", loaded.error().message);
  }
}

void RollbackGuard::save() {
  const auto metadata = state_.log.current();
  // As its log is read, a node sees the members of the past: it would forget all others.
  if (metadata->nodes.empty() || !state_.log.waiting_for().empty()) return;
  std::set<std::uint64_t> raft_ids, copies;
  for (const auto& [id, node] : metadata->nodes) raft_ids.insert(node.raft_id);
  for (const auto& [id, shard] : metadata->placements) {
    for (const auto& copy : shard.copies) copies.insert(copy.id);
  }
  if (const auto saved = memory_.save(raft_ids, copies); !saved) {
    spdlog::warn("how far the other nodes are is not written down: {}", saved.error().message);
  }
}

Result<void> RollbackGuard::check(peer::Positions own, const std::vector<ListedServer>& servers) {
  at_start_ = std::move(own);
  std::vector<std::future<Result<peer::Remembered>>> answers;
  for (const auto& server : servers) {
    if (server.endpoint == state_.endpoint()) continue;
    answers.push_back(std::async(std::launch::async, [this, server] {
      return state_.peers.membership(server.endpoint)->remembered({.raft_id = at_start_.raft_id});
    }));
  }
  Result<void> same;
  for (auto& answer : answers) {
    const auto remembered = answer.get();
    if (remembered && same) same = compare(*remembered);
  }
  return same;
}

Result<void> RollbackGuard::compare(const peer::Remembered& remembered) const {
  std::optional<std::string> why;
  if (remembered.boot_nonce != 0 && !state_.identity.current().knows(remembered.boot_nonce)) {
    why = "the cluster has seen a later start of it";
  }
  if (!why) why = put_back(at_start_, remembered.positions);
  if (!why) {
    auto behind = copies_behind(at_start_, remembered.positions);
    for (const auto copy : behind) spdlog::error("copy {} ends before what this node had confirmed", copy);
    if (!behind.empty()) lose_(std::move(behind));
    return {};
  }
  return Error{
      ErrorType::kConflict,
      fmt::format("the data directory of node '{}' was put back to an earlier state: {}. Wipe this node: empty "
                  "its data directory and start it again; it then joins as a new node and receives its data "
                  "from the others",
                  state_.options.self.value(), *why)};
}

Result<void> RollbackGuard::tell(const NodeId& node, peer::MembershipPeer& peer) {
  bool compared = false;
  {
    const std::lock_guard lock(mutex_);
    compared = compared_with_.contains(node);
  }
  if (!compared) {
    ASSIGN_OR_RETURN(const auto remembered, peer.remembered({.raft_id = state_.identity.current().raft_id}));
    RETURN_IF_ERROR(compare(remembered));
    const std::lock_guard lock(mutex_);
    compared_with_.insert(node);
  }
  const auto told = peer.remembered(old_enough());
  return told ? Result<void>() : Result<void>(told.error());
}

peer::Positions RollbackGuard::old_enough() {
  const std::lock_guard lock(mutex_);
  const auto now = boot_now();
  if (now - seen_at_ < kTellAfter) return told_;
  told_ = std::exchange(seen_, {});
  seen_at_ = now;
  told_.raft_id = seen_.raft_id = state_.identity.current().raft_id;
  if (const auto raft = state_.log.raft()) {
    const auto status = raft->status();
    seen_.raft_term = status.term;
    seen_.raft_index = status.durable_index;
  }
  for (const auto& copy : copies_()) {
    if (!copy.failed) seen_.copies.push_back({copy.copy, copy.term, copy.applied});
  }
  return told_;
}

peer::Remembered RollbackGuard::answer(const peer::Positions& told) {
  peer::Remembered remembered;
  const bool asked_only = told.raft_term == 0;
  if (asked_only) remembered.positions = memory_.of(told.raft_id);
  const auto metadata = state_.log.current();
  for (const auto& [id, node] : metadata->nodes) {
    if (node.raft_id != told.raft_id) continue;
    remembered.boot_nonce = node.boot_nonce;
    if (!asked_only) memory_.take(told);
  }
  return remembered;
}

}  // namespace vectorizer::control
