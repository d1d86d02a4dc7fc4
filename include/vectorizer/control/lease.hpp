#pragma once

#include <chrono>
#include <mutex>

#include "vectorizer/base/clock.hpp"

namespace vectorizer::control {

/// How long the leader of the metadata waits in silence before it gives the shards of a node to others.
inline constexpr std::chrono::milliseconds kLease{3000};
/// How long a node itself believes in a lease, from when it *sent* the beat: less, so that it stops before others begin
/// even if the clocks differ in rate by up to 10 %.
inline constexpr std::chrono::milliseconds kOwnLease{2700};
inline constexpr std::chrono::milliseconds kBeatInterval{300};

/// The right of a node to acknowledge writes and to answer as a primary. Thread-safe.
class Lease {
 public:
  explicit Lease(BootClock clock = boot_now) : clock_(std::move(clock)) {}

  /// The leader answered the beat that was sent at `sent`. Answers may arrive in any order.
  void granted(BootTime sent) {
    const std::lock_guard lock(mutex_);
    if (sent + kOwnLease > until_) until_ = sent + kOwnLease;
  }
  /// Ask *after* what the lease protects was done.
  bool valid() const {
    const std::lock_guard lock(mutex_);
    return clock_() < until_;
  }

 private:
  const BootClock clock_;
  mutable std::mutex mutex_;
  BootTime until_{0};  // guarded by mutex_
};

}  // namespace vectorizer::control
