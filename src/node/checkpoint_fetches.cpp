#include "checkpoint_fetches.hpp"

#include <utility>

namespace vectorizer::node {

void CheckpointFetches::start(const ShardId& shard, Fetch fetch) {
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.insert(shard).second) return;
  }
  const auto ended = [this, shard] {
    const std::lock_guard lock(mutex_);
    under_way_.erase(shard);
  };
  const bool queued = lane_.try_post([fetch = std::move(fetch), ended] {
    fetch();
    ended();
  });
  if (!queued) ended();
}

}  // namespace vectorizer::node
