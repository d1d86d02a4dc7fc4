#include "shard_tasks.hpp"

#include <utility>

namespace vectorizer::node {

void ShardTasks::start(const ShardId& shard, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.insert(shard).second) return;
  }
  const auto ended = [this, shard] {
    const std::lock_guard lock(mutex_);
    under_way_.erase(shard);
  };
  const bool queued = lane_.try_post([task = std::move(task), ended] {
    task();
    ended();
  });
  if (!queued) ended();
}

}  // namespace vectorizer::node
