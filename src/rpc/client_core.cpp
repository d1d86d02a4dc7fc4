#include "client_core.hpp"

namespace vectorizer::rpc {

bool CallsInFlight::add(grpc::ClientContext& context, bool awaited) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  (awaited ? awaited_ : held_).insert(&context);
  return true;
}

void CallsInFlight::remove(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  held_.erase(&context);
  awaited_.erase(&context);
  if (awaited_.empty()) changed_.notify_all();
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
  for (auto* const call : awaited_) call->TryCancel();
  for (auto* const call : held_) call->TryCancel();
  changed_.wait(lock, [this] { return awaited_.empty(); });
}

}  // namespace vectorizer::rpc
