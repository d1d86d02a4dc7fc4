#include "watchdog.hpp"

#include <algorithm>

namespace vectorizer::control {

Watchdog::Verdict Watchdog::look(std::chrono::milliseconds waiting, BootTime now) {
  if (!looked_) awake_since_ = now - waiting;
  if (looked_ && now - last_ > kStopped) awake_since_ = now;
  looked_ = true;
  last_ = now;
  const auto counted = std::min<BootTime>(waiting, now - awake_since_);
  if (counted >= kHung) return Verdict::kHung;
  return counted >= kSlow ? Verdict::kSlow : Verdict::kWorks;
}

}  // namespace vectorizer::control
