#include "pending_clock.hpp"

namespace vectorizer::shard {

void PendingClock::added(std::size_t slots, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  constexpr std::size_t kMaxSamples = 1024;
  const bool due = samples_.empty() || now - samples_.back().time >= kResolution;
  // When very much waits for very long, the newest samples matter least.
  if (due && samples_.size() < kMaxSamples) samples_.push_back({slots_, now});
  slots_ = slots;
}

double PendingClock::oldest_seconds(std::size_t indexed, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  while (samples_.size() > 1 && samples_[1].slots_before <= indexed) samples_.pop_front();
  if (indexed >= slots_) samples_.clear();
  return samples_.empty() ? 0 : std::chrono::duration<double>(now - samples_.front().time).count();
}

void PendingClock::restart() {
  const std::lock_guard lock(mutex_);
  samples_.clear();
  slots_ = 0;
}

}  // namespace vectorizer::shard
