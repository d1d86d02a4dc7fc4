#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/log_entry.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::storage {

/// Which entries at the front of a log may go. An entry goes when it is not needed (`needed_after`), or when what is
/// kept exceeds `keep_bytes` or is older than `keep_after_ms`; never one beyond `limit`.
struct PrunePolicy {
  SequenceNumber limit = 0;         ///< applied, and that synced
  SequenceNumber needed_after = 0;  ///< entries up to here are on every copy
  std::uint64_t keep_bytes = 512ULL << 20;
  std::int64_t keep_after_ms = 0;  ///< milliseconds since 1970
};

/// The operation log of one copy: the entries after `base()`, gapless up to `last()`, and the largest term that the
/// copy has seen. Every change is one atomic batch and, unless configured otherwise, synced when it returns.
///
/// The terms of entries never decrease, so that a log is described by the first sequence of each term.
///
/// Reads are thread-safe, beside one writer at a time.
class OperationLog {
 public:
  virtual ~OperationLog() = default;

  /// Where the first entry that is kept continues: {0, 0} for a log that has everything.
  virtual LogPosition base() const = 0;
  virtual LogPosition last() const = 0;
  /// The largest term that the copy has seen; at least that of last().
  virtual std::uint64_t term() const = 0;
  /// Ascending; the first one is that of base(), from base().sequence on, unless nothing came before.
  virtual std::vector<TermStart> terms() const = 0;
  /// Whether `position` is base() or the end of an entry.
  virtual Result<bool> contains(const LogPosition& position) const = 0;
  /// Entries after `sequence`, which is base() or the end of an entry, while they fit into `max_bytes`; at least one if
  /// there is one.
  virtual Result<std::vector<LogEntry>> read(SequenceNumber sequence, std::size_t max_bytes) const = 0;
  virtual std::uint64_t bytes() const = 0;

  /// The entries continue last(). An error leaves it unknown whether they are in the log; the log then refuses to go on
  /// until truncate_after() has settled it.
  virtual Result<void> append(std::span<const LogEntry> entries, std::int64_t now_ms) = 0;
  /// Drops the entries after `sequence`, which is base() or the end of an entry.
  virtual Result<void> truncate_after(SequenceNumber sequence) = 0;
  /// A larger term was seen. Synced, whatever the configuration says.
  virtual Result<void> set_term(std::uint64_t term) = 0;
  /// A bounded piece of pruning; the number of entries that went.
  virtual Result<std::size_t> prune(const PrunePolicy& policy) = 0;
  /// For a received checkpoint: the log of a new copy continues after `at`, and its points count as applied up to
  /// there. Synced. Stores that are open do not know about it.
  virtual Result<void> begin_at(const LogPosition& at, std::uint64_t term) = 0;
};

/// The term at `sequence` in a log with these starts; 0 when it is before all of them.
std::uint64_t term_at(std::span<const TermStart> terms, SequenceNumber sequence);
/// The terms of a log that is cut after `sequence`.
void cut_terms(std::vector<TermStart>& terms, SequenceNumber sequence);
/// The terms of a log whose base moves to `base`.
void rebase_terms(std::vector<TermStart>& terms, const LogPosition& base);

}  // namespace vectorizer::storage
