#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "link.hpp"

namespace vectorizer::rpc {

/// The line to a node as it is now; who uses the former one keeps it until his call is over. Thread-safe.
template <typename Service>
class LineSlot {
 public:
  std::shared_ptr<Line<Service>> get() const {
    const std::lock_guard lock(mutex_);
    return line_;
  }
  void set(std::shared_ptr<Line<Service>> line) {
    const std::lock_guard lock(mutex_);
    line_.swap(line);  // the former one goes after the lock
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Line<Service>> line_;
};

}  // namespace vectorizer::rpc
