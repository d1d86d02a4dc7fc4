#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace vectorizer {

/// A snapshot that one writer replaces and many readers hold: `get()` never sees half a value.
/// A mutex, not std::atomic<std::shared_ptr>: libstdc++ 12's is reported by ThreadSanitizer.
template <typename T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void set(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace vectorizer
