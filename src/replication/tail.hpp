#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "vectorizer/model/log_entry.hpp"

namespace vectorizer::replication {

/// The newest entries of a log, in memory, so that followers that keep up cost no reads. Not thread-safe.
class Tail {
 public:
  explicit Tail(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void push(LogEntry entry);
  void clear();
  /// Entries that follow `sequence`, while they fit, at least one; nothing when the tail does not go back that far.
  std::optional<std::vector<LogEntry>> after(std::uint64_t sequence, std::size_t max_bytes) const;

 private:
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::deque<LogEntry> entries_;
};

}  // namespace vectorizer::replication
