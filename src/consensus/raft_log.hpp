#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "metadata_machine.hpp"
#include "observers.hpp"
#include "raft_metrics.hpp"
#include "raft_node.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"

namespace vectorizer::consensus {

/// RaftMetadataLog over RaftNode: deadlines, observers, free space, metrics.
class RaftLog final : public RaftMetadataLog {
 public:
  using Clock = std::chrono::steady_clock;

  static Result<std::unique_ptr<RaftLog>> start(const RaftOptions& options, peer::StreamConnector& connector,
                                                MetricsRegistry& metrics);

  Result<std::shared_ptr<const cluster::ClusterMetadata>> propose(const cluster::MetadataCommand& command) override;
  std::shared_ptr<const cluster::ClusterMetadata> current() const override { return machine_.current(); }
  Result<void> catch_up() override;
  NodeId leader() const override;
  void observe(Observer observer) override { observers_.add(std::move(observer)); }

  Result<std::uint64_t> barrier() override;
  RaftStatus status() const override { return node_->status(); }
  std::vector<Member> members() const override { return node_->members(); }
  Result<void> add_member(std::uint64_t raft_id) override;
  Result<void> promote(std::uint64_t raft_id) override;
  Result<void> demote(std::uint64_t raft_id) override;
  Result<void> remove_member(std::uint64_t raft_id) override;
  Result<void> transfer_leadership(std::optional<std::uint64_t> to) override;
  std::optional<Error> failure() const override { return node_->failure(); }
  Result<void> serve(const peer::StreamRoute& route, peer::ByteStream& stream) override {
    return node_->serve(route, stream);
  }

  Result<void> checkpoint(const std::filesystem::path& directory) const override {
    return node_->checkpoint(directory);
  }

  /// For tests, see RaftNode.
  void crash() { node_->crash(); }
  std::uint64_t messages_held() const { return node_->messages_held(); }

 private:
  RaftLog(RaftOptions options, MetricsRegistry& metrics);
  Clock::time_point deadline() const { return Clock::now() + options_.timings.operation; }
  Result<void> change(std::future<Result<void>> outcome, std::chrono::milliseconds limit);
  std::optional<MemberRole> role(std::uint64_t raft_id) const;
  bool storage_full();
  void hand_over();
  void status_changed(const RaftStatus& status);

  const RaftOptions options_;
  RaftMetrics metrics_;
  Observers observers_;
  MetadataMachine machine_;

  std::mutex space_mutex_;
  std::optional<Clock::time_point> looked_;  // when full_ was found
  bool full_ = false;
  std::optional<Clock::time_point> handed_over_;

  std::uint64_t last_leader_ = 0;   // of the loop's thread
  std::unique_ptr<RaftNode> node_;  // last: its callbacks use what stands above
};

}  // namespace vectorizer::consensus
