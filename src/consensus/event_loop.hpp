#pragma once

#include <uv.h>

#include <functional>
#include <mutex>
#include <vector>

namespace vectorizer::consensus {

/// A libuv loop that other threads can hand work to. `run` is its thread; everything of libuv but `post` belongs there.
class EventLoop {
 public:
  EventLoop();
  /// After `run` has returned, or if it was never called.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  uv_loop_t* uv() { return &loop_; }
  /// Runs `task` on the loop, in the order of the calls. After `finish` it is destroyed without being run.
  /// Thread-safe. What callers may have queued is bounded by them.
  void post(std::function<void()> task);
  /// Called on the loop each time before it waits and after it has waited.
  void on_turn(std::function<void()> turn) { turn_ = std::move(turn); }
  void run();
  /// On the loop: takes no more tasks; `run` returns when the handles of others are closed too.
  void finish();

 private:
  void drain();

  uv_loop_t loop_{};
  uv_async_t wake_{};
  uv_prepare_t before_{};
  uv_check_t after_{};
  std::function<void()> turn_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  bool finished_ = false;
};

}  // namespace vectorizer::consensus
