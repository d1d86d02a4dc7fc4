#pragma once

#include <chrono>
#include <mutex>
#include <set>

namespace vectorizer::storage {

/// The writes that wait for the disk now, and for how long. Thread-safe.
class WritesUnderWay {
 public:
  using Clock = std::chrono::steady_clock;

  /// One write, from its construction to its destruction.
  class Write {
   public:
    Write(WritesUnderWay& all, Clock::time_point now) : all_(all) {
      const std::lock_guard lock(all_.mutex_);
      place_ = all_.started_.insert(now);
    }
    ~Write() {
      const std::lock_guard lock(all_.mutex_);
      all_.started_.erase(place_);
    }
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;

   private:
    WritesUnderWay& all_;
    std::multiset<Clock::time_point>::iterator place_;
  };

  std::chrono::milliseconds longest(Clock::time_point now) const {
    const std::lock_guard lock(mutex_);
    if (started_.empty() || *started_.begin() > now) return std::chrono::milliseconds(0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - *started_.begin());
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<Clock::time_point> started_;  // guarded by mutex_
};

}  // namespace vectorizer::storage
