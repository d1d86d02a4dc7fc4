#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>

namespace vectorizer::shard {

/// Since when the oldest vector waits for the graph. Vectors enter the graph in slot order, so a sample of (slot, time)
/// every so often is enough; accurate to kResolution. Thread-safe.
class PendingClock {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kResolution{250};

  /// Slots up to `slots` exist now.
  void added(std::size_t slots, Clock::time_point now = Clock::now());
  /// Slots below `indexed` do not wait any more; seconds that the first one from there on has waited.
  double oldest_seconds(std::size_t indexed, Clock::time_point now = Clock::now());
  /// Slots are counted anew.
  void restart();

 private:
  struct Sample {
    std::size_t slots_before;  // slots from here on came at `time` or later
    Clock::time_point time;
  };
  std::mutex mutex_;
  std::size_t slots_ = 0;
  std::deque<Sample> samples_;
};

}  // namespace vectorizer::shard
