#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace vectorizer {

/// A thread that does one thing again and again until it is stopped; between two rounds it waits for `interval` or
/// poke().
class Periodic {
 public:
  using Round = std::function<void(const std::stop_token&)>;

  Periodic() = default;
  ~Periodic() { stop(); }
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  void start(std::chrono::milliseconds interval, Round round);
  void poke();
  /// Waits for the round that runs. Idempotent.
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;  // poked_ was set, or stop was requested
  bool poked_ = false;
  std::jthread thread_;
};

}  // namespace vectorizer
