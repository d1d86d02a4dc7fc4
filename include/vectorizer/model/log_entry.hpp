#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace vectorizer {

/// A place in the operation log of a shard. Equal positions in two logs mean that everything up to them is equal.
struct LogPosition {
  std::uint64_t sequence = 0;
  std::uint64_t term = 0;
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

/// One group commit: the physical changes `first`..`last` of one term, which become durable, are replicated and
/// committed as one. An entry without changes (a new primary's no-op) has first == last as well: it takes one sequence
/// number.
struct LogEntry {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t term = 0;
  std::string bytes;  ///< final points and tombstones, in the form of docs/formats/operation-log.md

  LogPosition position() const { return {last, term}; }
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

/// The first sequence of a term in a log; a log is described by the list of them.
struct TermStart {
  std::uint64_t term = 0;
  std::uint64_t first = 0;
  friend bool operator==(const TermStart&, const TermStart&) = default;
};

}  // namespace vectorizer
