#include "outages.hpp"

namespace vectorizer::coordinator {

Outages::Clock::duration Outages::failed(const ShardId& shard, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto over = [&](const Outage& outage) { return now - outage.last > kOver; };
  if (shards_.size() >= kMaxKept) std::erase_if(shards_, [&](const auto& item) { return over(item.second); });
  if (shards_.size() >= kMaxKept && !shards_.contains(shard)) return Clock::duration::zero();
  const auto [found, is_new] = shards_.try_emplace(shard, Outage{now, now});
  auto& outage = found->second;
  if (!is_new && over(outage)) outage.since = now;
  outage.last = now;
  return now - outage.since;
}

}  // namespace vectorizer::coordinator
