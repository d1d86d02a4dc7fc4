#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include "vectorizer/replication/replica_group.hpp"

namespace vectorizer::testing {

using std::chrono::milliseconds;

/// One thread, a clock that events move, and one source of chance: the same seed gives the same run.
class EventLoop final : public replication::Timepiece {
 public:
  explicit EventLoop(std::uint64_t seed) : chance_(seed) {}

  Point now() const override { return now_; }
  std::int64_t wall_ms() const override {
    return std::chrono::duration_cast<milliseconds>(now_.time_since_epoch()).count();
  }

  void after(milliseconds delay, std::function<void()> event) {
    events_.emplace(std::pair(now_ + delay, next_++), std::move(event));
  }
  /// Runs what is due within `span`, in order.
  void run_for(milliseconds span) {
    const Point end = now_ + span;
    while (!events_.empty() && events_.begin()->first.first <= end) {
      now_ = events_.begin()->first.first;
      const auto event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      event();
    }
    now_ = end;
  }
  void run_until(const std::function<bool()>& done, milliseconds limit) {
    for (const Point end = now_ + limit; !done() && now_ < end;) run_for(milliseconds(10));
  }

  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(chance_);
  }
  bool happens(double probability) { return std::bernoulli_distribution(probability)(chance_); }
  milliseconds between(std::int64_t low, std::int64_t high) {
    return milliseconds(std::uniform_int_distribution<std::int64_t>(low, high)(chance_));
  }

 private:
  Point now_{std::chrono::hours(1000)};
  std::uint64_t next_ = 0;
  std::map<std::pair<Point, std::uint64_t>, std::function<void()>> events_;
  std::mt19937_64 chance_;
};

}  // namespace vectorizer::testing
