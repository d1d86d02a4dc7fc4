#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/peer/replication_peer.hpp"

namespace vectorizer::node {

/// What comes in of checkpoints: measured, and slowed down to a rate for all of them together, so that moves and
/// repairs leave room for clients. Thread-safe.
class IncomingCheckpoints {
 public:
  struct Progress {
    std::uint64_t bytes = 0;
    double seconds = 0;  ///< since it began; 0 when nothing comes in
  };

  /// @param bytes_per_second 0 where nothing comes in
  IncomingCheckpoints(std::uint64_t bytes_per_second, MetricsRegistry& metrics);

  /// `source`, whose checkpoints are measured; does not outlive either.
  std::unique_ptr<peer::ReplicationPeer> measured(peer::ReplicationPeer& source);
  Progress of(const ShardId& shard) const;
  /// Ends what is slowed down with an error.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Transfer {
    std::uint64_t bytes = 0;
    Clock::time_point begun = Clock::now();
  };
  class Source;
  class Sink;

  void begin(const ShardId& shard);
  void end(const ShardId& shard);
  /// Counts a slice and waits until it is its turn.
  Result<void> take(const ShardId& shard, std::size_t bytes);

  const std::uint64_t bytes_per_second_;
  MetricsRegistry::Counter* const received_;  // null where nothing comes in
  mutable std::mutex mutex_;
  std::condition_variable stopped_;        // stopping_ was set
  bool stopping_ = false;                  // guarded by mutex_
  Clock::time_point free_at_{};            // likewise: what was taken so far is paid for by then
  std::map<ShardId, Transfer> transfers_;  // likewise
};

}  // namespace vectorizer::node
