#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "compaction.hpp"
#include "shard_state.hpp"

namespace vectorizer::shard {

/// When something that failed may be tried again: after ten seconds, twice as long each time, at most ten minutes.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kFirst{10};
  static constexpr std::chrono::seconds kLongest{600};

  bool due(Clock::time_point now = Clock::now()) const { return now >= not_before_; }
  std::chrono::seconds failed(Clock::time_point now = Clock::now()) {
    wait_ = wait_ == std::chrono::seconds(0) ? kFirst : std::min(wait_ * 2, kLongest);
    not_before_ = now + wait_;
    return wait_;
  }
  void succeeded() { *this = Backoff(); }

 private:
  Clock::time_point not_before_;
  std::chrono::seconds wait_{0};
};

/// The background work of a shard: moving vectors into the graph, compaction, saving. Thread-safe: one caller decides
/// and does what only one can do, others meanwhile help it to build graphs.
class Upkeep {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Upkeep(ShardState& state) : state_(state) {}

  /// A slice. True if more waits.
  bool run(Clock::time_point now = Clock::now());
  /// Saves the index if it changed since.
  Result<void> save();
  /// What keeps it from its work; empty when nothing does.
  std::string problem() const;

 private:
  bool help();
  bool compaction_due(const index::IndexStats& stats) const;
  bool save_due(const index::IndexStats& stats) const;
  void step_compaction(Clock::time_point now);
  Result<Compaction::Progress> step();
  Result<void> save_index();
  Result<void> write_index(const Generation& generation, const std::filesystem::path& file) const;
  void report(std::string& problem, std::string text);

  ShardState& state_;
  std::mutex mutex_;
  std::unique_ptr<Compaction> compaction_;
  Backoff compaction_retry_, save_retry_;
  std::uint64_t saved_changes_ = 0;
  bool swapped_since_save_ = false;
  Clock::time_point saved_at_ = Clock::now();

  mutable std::mutex problems_mutex_;
  std::string compaction_problem_, save_problem_;
};

}  // namespace vectorizer::shard
