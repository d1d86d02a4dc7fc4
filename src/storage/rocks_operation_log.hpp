#pragma once

#include <rocksdb/write_batch.h>

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/operation_log.hpp"

namespace vectorizer::storage {

class RocksDatabase;

/// What a log remembers beside its entries, in one record of the column family `local`.
struct LogState {
  std::uint64_t term = 0;
  LogPosition base;
  std::uint64_t base_total = 0;  ///< bytes of all entries up to base, ever
  std::vector<TermStart> terms;

  std::string encode() const;
  static Result<LogState> decode(std::string_view bytes);
};

/// What is stored of an entry in front of its bytes.
struct EntryHeader {
  static constexpr std::size_t kBytes = 1 + 4 * sizeof(std::uint64_t);

  SequenceNumber first = 0;
  std::uint64_t term = 0;
  std::uint64_t total = 0;  ///< bytes of all entries up to this one, ever: sizes are differences
  std::int64_t appended_ms = 0;

  std::string encode() const;
  /// @param value the header and whatever follows it
  static Result<EntryHeader> decode(std::string_view value);
};

/// The log of one copy, in the column family `operations` of the node's database.
class RocksOperationLog final : public OperationLog {
 public:
  static Result<std::unique_ptr<OperationLog>> open(RocksDatabase& database, CopyNumber copy);

  LogPosition base() const override;
  LogPosition last() const override;
  std::uint64_t term() const override;
  std::vector<TermStart> terms() const override;
  Result<bool> contains(const LogPosition& position) const override;
  Result<std::vector<LogEntry>> read(SequenceNumber sequence, std::size_t max_bytes) const override;
  std::uint64_t bytes() const override;

  Result<void> append(std::span<const LogEntry> entries, std::int64_t now_ms) override;
  Result<void> truncate_after(SequenceNumber sequence) override;
  Result<void> set_term(std::uint64_t term) override;
  Result<std::size_t> prune(const PrunePolicy& policy) override;
  Result<void> begin_at(const LogPosition& at, std::uint64_t term) override;

 private:
  /// The end of the log: a position, and the bytes of all entries up to it, ever.
  struct End {
    LogPosition position;
    std::uint64_t total = 0;
  };

  RocksOperationLog(RocksDatabase& database, CopyNumber copy) : database_(database), copy_(copy) {}
  Result<void> load();
  Result<End> end_on_disk(const LogState& state) const;
  LogState state() const;
  End end() const;
  void put_state(rocksdb::WriteBatch& batch, const LogState& state) const;
  void publish(LogState state, const End& end);
  Result<void> check_next(const LogEntry& entry, const LogPosition& after) const;

  RocksDatabase& database_;
  const CopyNumber copy_;
  mutable std::mutex mutex_;  // guards what follows; never held during I/O
  LogState state_;
  End end_;
  bool doubtful_ = false;  // an append whose outcome is unknown; only of the writer
};

}  // namespace vectorizer::storage
