#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "address_book.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// The metadata log as the rest of a clustered node sees it: there from the start, when this node may not belong to a
/// cluster yet, and taking commands on every node, which it passes on to the leader.
///
/// propose() tries for as long as there is no leader, up to `timeout`; a command that may have reached one is never
/// sent again (kTimeout, outcome unknown): commands are compare-and-set, the caller looks and decides. Thread-safe.
class ClusterLog final : public cluster::MetadataLog {
 public:
  ClusterLog(const AddressBook& book, peer::MembershipDirectory& peers, std::chrono::milliseconds timeout)
      : book_(book), peers_(peers), timeout_(timeout), current_(std::make_shared<const cluster::ClusterMetadata>()) {}

  /// From here on the log is `raft`.
  void attach(std::shared_ptr<consensus::RaftMetadataLog> raft);
  void detach();
  /// Null while there is none.
  std::shared_ptr<consensus::RaftMetadataLog> raft() const;
  /// Why there is no cluster yet; shown to clients.
  void set_waiting_for(std::string reason);
  std::string waiting_for() const;

  Result<std::shared_ptr<const cluster::ClusterMetadata>> propose(const cluster::MetadataCommand& command) override;
  std::shared_ptr<const cluster::ClusterMetadata> current() const override;
  Result<void> catch_up() override;
  NodeId leader() const override;
  void observe(Observer observer) override;

  /// Where the leader is; kNoLeader when it is not known.
  Result<std::shared_ptr<peer::MembershipPeer>> leader_peer() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  Error no_leader() const;
  Result<std::uint64_t> ask_leader(const std::string& encoded);
  Result<void> wait_for_epoch(std::uint64_t epoch, Time deadline) const;
  void publish(const std::shared_ptr<const cluster::ClusterMetadata>& metadata);

  const AddressBook& book_;
  peer::MembershipDirectory& peers_;
  const std::chrono::milliseconds timeout_;

  mutable std::mutex mutex_;
  mutable std::condition_variable advanced_;                 // current_ has a larger epoch
  std::shared_ptr<const cluster::ClusterMetadata> current_;  // guarded by mutex_
  std::shared_ptr<consensus::RaftMetadataLog> raft_;         // likewise
  std::string waiting_for_ = "forming: starting";            // likewise
  std::vector<Observer> observers_;                          // constant once the log is attached
};

}  // namespace vectorizer::control
