#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory_streams.hpp"
#include "raft_log.hpp"
#include "testing/temporary_directory.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::testing {

using namespace std::chrono_literals;

/// Long enough for any machine; what is waited for usually takes a fraction of a second.
inline constexpr auto kPatience = 60s;

inline bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds patience = kPatience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

inline cluster::UpsertNode node_command(const std::string& id, const std::string& version, std::uint64_t raft_id = 0) {
  cluster::NodeRecord record;
  record.id = NodeId(id);
  record.address = "127.0.0.1";
  record.version = version;
  record.raft_id = raft_id;
  return {record};
}

/// Members in one process over memory streams, each with a directory of its own.
class RaftCluster {
 public:
  explicit RaftCluster(std::uint32_t threshold = 4096, std::uint32_t trailing = 4096)
      : threshold_(threshold), trailing_(trailing) {}
  ~RaftCluster() {
    while (!members_.empty()) stop(members_.begin()->first);
  }

  consensus::RaftOptions options(std::uint64_t id) const {
    consensus::RaftOptions options;
    options.raft_id = id;
    options.directory = directory_.path() / std::to_string(id);
    options.timings.connect_retry = 20ms;
    options.timings.install_snapshot = 2000ms;
    options.snapshot_threshold = threshold_;
    options.snapshot_trailing = trailing_;
    return options;
  }

  Result<void> try_start(std::uint64_t id) {
    auto member = std::make_unique<RunningMember>();
    ASSIGN_OR_RETURN(member->log, consensus::RaftLog::start(options(id), network_, member->metrics));
    network_.attach(id, *member->log);
    members_[id] = std::move(member);
    return {};
  }
  consensus::RaftLog& start(std::uint64_t id) {
    const auto started = try_start(id);
    EXPECT_TRUE(started) << (started ? "" : started.error().message);
    return *members_.at(id)->log;
  }
  void stop(std::uint64_t id) {
    network_.detach(id);
    members_.erase(id);
  }
  /// As by kill -9: what is not on the disk by now is lost.
  void kill(std::uint64_t id) {
    members_.at(id)->log->crash();
    stop(id);
  }
  void wipe(std::uint64_t id) { std::filesystem::remove_all(options(id).directory); }

  /// The first member alone, with `initial` as its metadata.
  void begin(std::uint64_t id, const cluster::ClusterMetadata& initial = {}) {
    const auto done = consensus::bootstrap_raft(options(id), initial);
    ASSERT_TRUE(done) << done.error().message;
    start(id);
    ASSERT_TRUE(wait_until([&] { return log(id).is_leader(); }));
  }
  /// A newcomer, up to its vote.
  void join(std::uint64_t id) {
    start(id);
    auto& leads = leader();
    const auto added = leads.add_member(id);
    ASSERT_TRUE(added) << added.error().message;
    const auto promoted = leads.promote(id);
    ASSERT_TRUE(promoted) << promoted.error().message;
  }
  void form(std::uint64_t count) {
    ASSERT_NO_FATAL_FAILURE(begin(1));
    for (std::uint64_t id = 2; id <= count; ++id) ASSERT_NO_FATAL_FAILURE(join(id));
  }

  consensus::RaftLog& log(std::uint64_t id) { return *members_.at(id)->log; }
  MetricsRegistry& metrics(std::uint64_t id) { return members_.at(id)->metrics; }
  MemoryNetwork& network() { return network_; }
  std::vector<std::uint64_t> running() const {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, member] : members_) ids.push_back(id);
    return ids;
  }
  /// 0 if there is none by now. The newest term wins: a deposed leader may not know yet.
  std::uint64_t leader_id_now() {
    std::uint64_t found = 0, term = 0;
    for (const auto& [id, member] : members_) {
      const auto status = member->log->status();
      if (status.is_leader && status.term > term) {
        found = id;
        term = status.term;
      }
    }
    return found;
  }
  std::uint64_t leader_id() {
    std::uint64_t id = 0;
    EXPECT_TRUE(wait_until([&] { return (id = leader_id_now()) != 0; }));
    return id;
  }
  consensus::RaftLog& leader() { return log(leader_id()); }
  std::uint64_t a_follower() {
    const auto leads = leader_id();
    for (const auto& [id, member] : members_) {
      if (id != leads) return id;
    }
    return 0;
  }

  /// Proposes wherever the leader is until it is decided; only for commands that may be applied twice.
  Result<std::shared_ptr<const cluster::ClusterMetadata>> propose(const cluster::MetadataCommand& command) {
    Result<std::shared_ptr<const cluster::ClusterMetadata>> outcome{Error{ErrorType::kNoLeader, ""}};
    wait_until([&] {
      const auto id = leader_id_now();
      if (id == 0) return false;
      outcome = log(id).propose(command);
      return static_cast<bool>(outcome);
    });
    return outcome;
  }
  /// Every running member has the same metadata, with at least `epoch`.
  bool agree(std::uint64_t epoch = 0) {
    return wait_until([&] {
      std::string digest;
      for (const auto& [id, member] : members_) {
        const auto metadata = member->log->current();
        const auto mine = cluster::metadata_digest(*metadata);
        if (metadata->epoch < epoch || (!digest.empty() && digest != mine)) return false;
        digest = mine;
      }
      return true;
    });
  }

 private:
  struct RunningMember {
    MetricsRegistry metrics;
    std::unique_ptr<consensus::RaftLog> log;
  };
  const std::uint32_t threshold_, trailing_;
  TemporaryDirectory directory_;
  MemoryNetwork network_;
  std::map<std::uint64_t, std::unique_ptr<RunningMember>> members_;
};

}  // namespace vectorizer::testing
