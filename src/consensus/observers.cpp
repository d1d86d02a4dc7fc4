#include "observers.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer::consensus {

Observers::Observers() : newest_(std::make_shared<const cluster::ClusterMetadata>()), thread_([this] { run(); }) {}

Observers::~Observers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  delivered_.notify_all();
  thread_.join();
}

void Observers::add(cluster::MetadataLog::Observer observer) {
  std::unique_lock lock(mutex_);
  auto& entry = observers_.emplace_back(Entry{std::move(observer), std::nullopt});
  wake_.notify_all();
  if (std::this_thread::get_id() == thread_.get_id()) return;
  delivered_.wait(lock, [&] { return stopping_ || entry.seen.has_value(); });
}

void Observers::publish(Metadata metadata) {
  {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(metadata);
  }
  wake_.notify_all();
}

bool Observers::wait_for(std::uint64_t epoch, Clock::time_point deadline) {
  if (std::this_thread::get_id() == thread_.get_id()) return true;
  std::unique_lock lock(mutex_);
  return delivered_.wait_until(lock, deadline, [&] {
    return stopping_ ||
           std::all_of(observers_.begin(), observers_.end(), [&](const Entry& entry) { return entry.seen >= epoch; });
  });
}

bool Observers::behind() const {
  return std::any_of(observers_.begin(), observers_.end(),
                     [this](const Entry& entry) { return !entry.seen || *entry.seen < newest_->epoch; });
}

void Observers::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || behind(); });
    if (stopping_) return;
    // Entries are only ever added, at the end.
    for (auto entry = observers_.begin(); entry != observers_.end() && !stopping_; ++entry) {
      const auto metadata = newest_;
      if (entry->seen && *entry->seen >= metadata->epoch) continue;
      lock.unlock();
      entry->observer(metadata);
      lock.lock();
      entry->seen = metadata->epoch;
      delivered_.notify_all();
    }
  }
}

}  // namespace vectorizer::consensus
