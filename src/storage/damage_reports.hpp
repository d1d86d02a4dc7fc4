#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "vectorizer/storage/database.hpp"

namespace vectorizer::storage {

/// Passes on to whoever watches what reads and background work find damaged. Thread-safe.
class DamageReports {
 public:
  /// Once this has returned, the watcher before is not called any more.
  void watch(DamageWatcher watcher) {
    const std::lock_guard lock(mutex_);
    watcher_ = std::move(watcher);
  }
  void tell(std::optional<CopyNumber> copy, const std::string& what) const {
    const std::lock_guard lock(mutex_);
    if (watcher_) watcher_(copy, what);
  }

 private:
  mutable std::mutex mutex_;
  DamageWatcher watcher_;  // guarded by mutex_
};

}  // namespace vectorizer::storage
