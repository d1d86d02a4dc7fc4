#pragma once

#include <mutex>

#include "group_core.hpp"

namespace vectorizer::replication {

/// While it lives, stop() waits. False when the group is stopping: then nothing may be begun.
class BusyScope {
 public:
  explicit BusyScope(GroupCore& core) : core_(core) {
    const std::lock_guard lock(core_.mutex_);
    entered_ = !core_.stopping_;
    if (entered_) ++core_.busy_;
  }
  ~BusyScope() {
    if (!entered_) return;
    const std::lock_guard lock(core_.mutex_);
    --core_.busy_;
    core_.changed_.notify_all();
  }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;
  explicit operator bool() const { return entered_; }

 private:
  GroupCore& core_;
  bool entered_ = false;
};

}  // namespace vectorizer::replication
