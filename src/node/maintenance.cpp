#include "maintenance.hpp"

#include <pthread.h>

#include <chrono>

namespace vectorizer::node {

Maintenance::Maintenance(std::size_t threads, std::function<std::shared_ptr<const Shards>()> shards)
    : shards_(std::move(shards)) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), "index");
  }
}

void Maintenance::poke() {
  {
    const std::lock_guard lock(mutex_);
    ++pokes_;
  }
  wake_.notify_one();
}

void Maintenance::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::shared_ptr<shard::Shard> Maintenance::take() {
  const auto shards = shards_();
  if (shards->empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  auto next = shards->upper_bound(last_);
  if (next == shards->end()) next = shards->begin();
  last_ = next->first;
  return next->second;
}

void Maintenance::run() {
  std::size_t idle = 0;  // shards in a row that had nothing to do
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (stopping_) return;
      if (idle > shards_()->size()) {
        wake_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_ || pokes_ != seen; });
        if (stopping_) return;
        idle = 0;
      }
      seen = pokes_;
    }
    const auto shard = take();
    const bool more = shard != nullptr && shard->maintain();
    idle = more ? 0 : idle + 1;
  }
}

}  // namespace vectorizer::node
