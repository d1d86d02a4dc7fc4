#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vectorizer {

/// A bounded pool of named threads. A thread may block only on a lower lane (request > shard > replica > disk), so that
/// lanes cannot wait for each other in a circle. Back-pressure is explicit: a full lane refuses.
class Lane {
 public:
  Lane(std::string name, std::size_t threads, std::size_t queue_limit);
  /// Runs what is queued, then joins.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Queues `task`; false when the queue is full or the lane is stopping. Thread-safe.
  [[nodiscard]] bool try_post(std::function<void()> task);
  /// Tasks waiting, not counting those that run.
  std::size_t depth() const;
  std::size_t queue_limit() const { return queue_limit_; }
  /// For how long the first task in the queue has waited for a thread; 0 when none waits.
  std::chrono::milliseconds longest_wait() const;
  /// Refuses new tasks, finishes the queued ones and joins. Idempotent.
  void stop();

 private:
  void run();

  const std::string name_;
  const std::size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;  // a task was queued, or stopping_ was set
  struct Waiting {
    std::function<void()> task;
    std::chrono::steady_clock::time_point since;
  };
  std::deque<Waiting> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vectorizer
