#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/replication/replica_group.hpp"

namespace vectorizer::replication {

/// The clocks of the system.
class SystemTimepiece final : public Timepiece {
 public:
  Point now() const override;
  std::int64_t wall_ms() const override;
};

struct HeartbeatOptions {
  milliseconds interval{50};
  std::size_t disk_threads = 2;   ///< catch-up reads, pruning, taking over
  std::size_t apply_threads = 2;  ///< followers
  std::size_t queue_limit = 8192;
  std::uint64_t log_bytes = 16ULL << 30;  ///< of all logs of the node together, as far as others need them
};

/// How much of a log of `own` bytes may be kept where all logs of the node are `total` bytes and may be `limit`: all of
/// it, or its part of the limit.
std::uint64_t share_of_logs(std::uint64_t own, std::uint64_t total, std::uint64_t limit);

/// What the replica groups of a node share: one thread that ticks them all, and the lanes that work for them.
/// Thread-safe. Outlives the groups; stop the groups first.
class Heartbeat {
 public:
  using Propose = std::function<ProposalResult(const cluster::MetadataCommand&)>;

  Heartbeat(HeartbeatOptions options, MetricsRegistry& metrics);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  const Timepiece& clock() const { return clock_; }
  /// Fills in `clock`, the lanes, `log_share` and `propose`; the last one around a call that may block.
  void provide(GroupPorts& ports, Propose propose);

  /// For how long the oldest work for the disk has waited for a thread.
  milliseconds longest_disk_wait() const { return disk_.longest_wait(); }

  void add(const std::shared_ptr<ReplicaGroup>& group);
  /// It is not ticked again once this has returned.
  void remove(const std::shared_ptr<ReplicaGroup>& group);
  /// Waits for the proposal that is under way, not for those in the queue.
  void stop();

 private:
  void run();
  bool stopping();
  void report(const std::vector<std::shared_ptr<ReplicaGroup>>& groups);
  struct Totals {
    std::uint64_t promotions = 0;
    std::uint64_t fenced = 0;
  };

  const HeartbeatOptions options_;
  const SystemTimepiece clock_;
  Lane disk_;
  Lane apply_;
  Lane proposals_;  // one thread: the metadata orders them anyway

  MetricsRegistry::Gauge& leading_;
  MetricsRegistry::Gauge& under_replicated_;
  MetricsRegistry::Gauge& below_minimum_;
  MetricsRegistry::Gauge& log_bytes_;
  MetricsRegistry::Counter& promotions_;
  MetricsRegistry::Counter& fenced_;
  prometheus::Family<MetricsRegistry::Gauge>& lag_operations_;
  prometheus::Family<MetricsRegistry::Gauge>& lag_seconds_;
  std::map<ReplicaGroup*, Totals> counted_;                                             // only of the thread
  std::map<NodeId, std::pair<MetricsRegistry::Gauge*, MetricsRegistry::Gauge*>> lags_;  // only of the thread

  std::atomic<std::uint64_t> logs_total_ = 0;  // bytes, as of the last report

  std::mutex tick_mutex_;  // held while the groups are ticked
  std::mutex mutex_;
  std::condition_variable wake_;  // stopping_ was set
  bool stopping_ = false;
  std::vector<std::shared_ptr<ReplicaGroup>> groups_;
  std::thread thread_;
};

}  // namespace vectorizer::replication
