#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "vectorizer/base/lane.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::node {

/// Work of one kind on shards: so many at a time, and one per shard. Thread-safe.
class ShardTasks {
 public:
  using Task = std::function<void()>;

  ShardTasks(std::string name, std::size_t at_once) : lane_(std::move(name), at_once, kQueue) {}

  /// Queues `task` unless one of that shard is queued or runs already, or too many are: it is asked for again.
  void start(const ShardId& shard, Task task);
  /// Waits for those that are queued. Idempotent.
  void stop() { lane_.stop(); }

 private:
  static constexpr std::size_t kQueue = 4096;

  std::mutex mutex_;
  std::set<ShardId> under_way_;  // guarded by mutex_
  Lane lane_;
};

}  // namespace vectorizer::node
