#pragma once

#include <functional>
#include <mutex>
#include <set>

#include "vectorizer/base/lane.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::node {

/// The checkpoints that are on their way to this node: at most two at a time, and one per shard. Thread-safe.
class CheckpointFetches {
 public:
  using Fetch = std::function<void()>;

  CheckpointFetches() : lane_("checkpoint", kAtOnce, kQueue) {}

  /// Queues `fetch` unless one of that shard is queued or runs already, or too many are: it is asked for again.
  void start(const ShardId& shard, Fetch fetch);
  /// Waits for those that run. Idempotent.
  void stop() { lane_.stop(); }

 private:
  static constexpr std::size_t kAtOnce = 2;
  static constexpr std::size_t kQueue = 4096;

  std::mutex mutex_;
  std::set<ShardId> under_way_;  // guarded by mutex_
  Lane lane_;
};

}  // namespace vectorizer::node
