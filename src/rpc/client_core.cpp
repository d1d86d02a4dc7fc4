#include "client_core.hpp"

namespace vectorizer::rpc {

bool CallsInFlight::add(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  calls_.insert(&context);
  return true;
}

void CallsInFlight::remove(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  calls_.erase(&context);
  if (calls_.empty()) changed_.notify_all();
}

bool CallsInFlight::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void CallsInFlight::sleep_until(Clock::time_point time) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, time, [this] { return stopped_; });
}

void CallsInFlight::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
  for (auto* const call : calls_) call->TryCancel();
  changed_.wait(lock, [this] { return calls_.empty(); });
}

}  // namespace vectorizer::rpc
