#pragma once

#include <chrono>
#include <map>
#include <mutex>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::coordinator {

/// Since when shards have not been answered for, as the requests of this node find them. A request waits for a shard
/// that is being taken over (a few seconds), but not for one that has been out for longer than the request would wait:
/// else a shard that is gone for good would hold every thread that serves requests. Thread-safe.
class Outages {
 public:
  using Clock = std::chrono::steady_clock;

  /// @return how long it has been out, as of `now`, at which nobody answered for it.
  Clock::duration failed(const ShardId& shard, Clock::time_point now = Clock::now());

 private:
  /// Requests that wait ask again all the time: without one for so long, the outage is over, as far as is known.
  static constexpr std::chrono::seconds kOver{2};
  static constexpr std::size_t kMaxKept = 10'000;
  struct Outage {
    Clock::time_point since, last;
  };

  std::mutex mutex_;
  std::map<ShardId, Outage> shards_;  // guarded by mutex_
};

}  // namespace vectorizer::coordinator
