#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// Until when somebody waits for an answer; without one, for ever.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  Deadline() = default;
  Deadline(Clock::time_point start, std::uint32_t timeout_ms)
      : at_(start + std::chrono::milliseconds(timeout_ms)), timeout_ms_(timeout_ms) {}

  bool passed() const { return at_ != Clock::time_point::max() && Clock::now() >= at_; }
  /// kTimeout once it has passed.
  Result<void> check() const {
    if (passed()) return error();
    return {};
  }
  Error error() const {
    return Error{ErrorType::kTimeout, "there was no answer within " + std::to_string(timeout_ms_) + " ms"}.with(
        "timeout_ms", timeout_ms_);
  }
  Clock::time_point at() const { return at_; }
  std::uint32_t timeout_ms() const { return timeout_ms_; }

 private:
  Clock::time_point at_ = Clock::time_point::max();
  std::uint32_t timeout_ms_ = 0;
};

}  // namespace vectorizer
