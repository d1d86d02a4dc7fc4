#include "vectorizer/replication/heartbeat.hpp"

#include <algorithm>
#include <utility>

#include "vectorizer/base/clock.hpp"

namespace vectorizer::replication {
namespace {

constexpr std::chrono::seconds kReportInterval{1};

}  // namespace

Timepiece::Point SystemTimepiece::now() const {
  return std::chrono::steady_clock::now();
}

std::int64_t SystemTimepiece::wall_ms() const {
  return vectorizer::wall_ms();
}

std::uint64_t share_of_logs(std::uint64_t own, std::uint64_t total, std::uint64_t limit) {
  if (total <= limit || total == 0) return own;
  return static_cast<std::uint64_t>(static_cast<double>(own) *
                                    (static_cast<double>(limit) / static_cast<double>(total)));
}

Heartbeat::Heartbeat(HeartbeatOptions options, MetricsRegistry& metrics)
    : options_(options),
      disk_("repl-disk", options.disk_threads, options.queue_limit),
      apply_("repl-apply", options.apply_threads, options.queue_limit),
      proposals_("repl-propose", 1, options.queue_limit),
      leading_(metrics.gauge("vectorizer_replication_leading_shards", "Shards whose primary is on this node.")),
      under_replicated_(metrics.gauge("vectorizer_replication_under_replicated_shards",
                                      "Shards led here that have a copy which is not in sync.")),
      below_minimum_(metrics.gauge("vectorizer_replication_unwritable_shards",
                                   "Shards led here with fewer copies in sync than a write needs.")),
      log_bytes_(metrics.gauge("vectorizer_replication_log_bytes", "Size of the operation logs of this node.")),
      promotions_(metrics.counter("vectorizer_replication_promotions_total", "Terms that a copy here began to lead.")),
      fenced_(metrics.counter("vectorizer_replication_fenced_total", "Terms that a copy here stopped leading.")),
      lag_operations_(metrics.gauges("vectorizer_replication_lag_operations",
                                     "Operations that the copy which is furthest behind lacks, by its node.")),
      lag_seconds_(
          metrics.gauges("vectorizer_replication_lag_seconds",
                         "For how long the copy that is furthest behind has not been complete, by its node.")) {
  thread_ = std::thread([this] { run(); });
}

Heartbeat::~Heartbeat() {
  stop();
}

void Heartbeat::provide(GroupPorts& ports, Propose propose) {
  ports.clock = &clock_;
  ports.disk_lane = [this](GroupPorts::Task task) { return disk_.try_post(std::move(task)); };
  ports.apply_lane = [this](GroupPorts::Task task) { return apply_.try_post(std::move(task)); };
  ports.log_share = [this](std::uint64_t own) { return share_of_logs(own, logs_total_, options_.log_bytes); };
  ports.propose = [this, propose = std::move(propose)](const cluster::MetadataCommand& command,
                                                       std::function<void(const ProposalResult&)> answer) {
    // A command that was not even proposed was not committed. Where nobody leads, each of those that wait would take
    // its whole time, one after the other: a process that stops does not begin them.
    const ProposalResult not_proposed{ProposalResult::Outcome::kRefused, std::nullopt};
    const bool queued = proposals_.try_post(
        [this, propose, command, answer, not_proposed] { answer(stopping() ? not_proposed : propose(command)); });
    if (!queued) answer(not_proposed);
  };
}

void Heartbeat::add(const std::shared_ptr<ReplicaGroup>& group) {
  const std::lock_guard lock(mutex_);
  groups_.push_back(group);
}

void Heartbeat::remove(const std::shared_ptr<ReplicaGroup>& group) {
  const std::lock_guard tick_lock(tick_mutex_);
  const std::lock_guard lock(mutex_);
  std::erase(groups_, group);
}

void Heartbeat::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  proposals_.stop();
  disk_.stop();
  apply_.stop();
}

bool Heartbeat::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Heartbeat::run() {
  auto report_at = clock_.now();
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.interval, [this] { return stopping_; })) {
    lock.unlock();
    {
      const std::lock_guard tick_lock(tick_mutex_);
      std::vector<std::shared_ptr<ReplicaGroup>> groups;
      {
        const std::lock_guard again(mutex_);
        groups = groups_;
      }
      for (const auto& group : groups) group->tick();
      if (clock_.now() >= report_at) {
        report(groups);
        report_at = clock_.now() + kReportInterval;
      }
    }
    lock.lock();
  }
}

void Heartbeat::report(const std::vector<std::shared_ptr<ReplicaGroup>>& groups) {
  double leading = 0, incomplete = 0, below = 0;
  std::uint64_t bytes = 0;
  std::map<NodeId, std::pair<double, double>> lags;
  for (const auto& [node, gauges] : lags_) lags[node] = {0, 0};
  std::map<ReplicaGroup*, Totals> counted;
  for (const auto& group : groups) {
    const GroupStats stats = group->stats();
    Totals& before = counted[group.get()] = counted_[group.get()];
    promotions_.Increment(static_cast<double>(stats.promotions - before.promotions));
    fenced_.Increment(static_cast<double>(stats.fenced - before.fenced));
    before = {stats.promotions, stats.fenced};
    bytes += stats.log_bytes;
    if (!stats.leading) continue;
    ++leading;
    if (stats.in_sync < stats.followers.size() + 1) ++incomplete;
    if (stats.in_sync < stats.min_in_sync) ++below;
    for (const FollowerStats& follower : stats.followers) {
      auto& [operations, seconds] = lags[follower.node];
      operations = std::max(operations, static_cast<double>(follower.lag_operations));
      seconds = std::max(seconds, follower.lag_seconds);
    }
  }
  counted_ = std::move(counted);
  leading_.Set(leading);
  under_replicated_.Set(incomplete);
  below_minimum_.Set(below);
  log_bytes_.Set(static_cast<double>(bytes));
  logs_total_ = bytes;
  for (const auto& [node, lag] : lags) {
    auto& gauges = lags_[node];
    if (gauges.first == nullptr) {
      gauges = {&lag_operations_.Add({{"node", node.value()}}), &lag_seconds_.Add({{"node", node.value()}})};
    }
    gauges.first->Set(lag.first);
    gauges.second->Set(lag.second);
  }
}

}  // namespace vectorizer::replication
