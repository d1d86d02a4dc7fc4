#include "vectorizer/base/periodic.hpp"

namespace vectorizer {

void Periodic::start(std::chrono::milliseconds interval, Round round) {
  thread_ = std::jthread([this, interval, round = std::move(round)](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      round(stop);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, interval, [this] { return poked_; });
      poked_ = false;
    }
  });
}

void Periodic::poke() {
  {
    const std::lock_guard lock(mutex_);
    poked_ = true;
  }
  wake_.notify_all();
}

void Periodic::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  wake_.notify_all();
  thread_.join();
}

}  // namespace vectorizer
