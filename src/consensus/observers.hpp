#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "vectorizer/cluster/metadata_log.hpp"

namespace vectorizer::consensus {

/// Calls observers on a thread of its own, in order of epochs. Keeps the newest value only: an observer that is slow
/// skips what came and went meanwhile. Thread-safe.
class Observers {
 public:
  using Metadata = std::shared_ptr<const cluster::ClusterMetadata>;
  using Clock = std::chrono::steady_clock;

  Observers();
  /// Waits for the call that is under way.
  ~Observers();
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;

  /// Returns when the observer has been called with the newest value.
  void add(cluster::MetadataLog::Observer observer);
  void publish(Metadata metadata);
  /// Whether all observers have seen `epoch` by `deadline`. True at once on the thread of the observers itself, which
  /// would wait for itself.
  bool wait_for(std::uint64_t epoch, Clock::time_point deadline);

 private:
  struct Entry {
    cluster::MetadataLog::Observer observer;
    std::optional<std::uint64_t> seen;  // of the thread
  };
  bool behind() const;
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;       // newest_, observers_ or stopping_ changed
  std::condition_variable delivered_;  // an observer was called
  Metadata newest_;
  std::list<Entry> observers_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vectorizer::consensus
