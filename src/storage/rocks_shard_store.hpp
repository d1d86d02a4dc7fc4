#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/snapshot.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>

#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/result_table.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::storage {

class RocksDatabase;

/// The keys of one copy in the node's database. If its sequence cannot be read on opening, every call says why.
class RocksShardStore final : public ShardStore {
 public:
  enum class Sync : std::uint8_t { kAsConfigured, kNever };

  RocksShardStore(RocksDatabase& database, CopyNumber copy, Sync sync);

  /// As Database::read_range, at `moment`.
  static Result<void> scan_at(const RocksDatabase& database, CopyNumber copy, const rocksdb::Snapshot& moment,
                              const std::optional<PointId>& after,
                              const std::function<Result<void>(SequenceNumber)>& begin,
                              const std::function<Result<bool>(StoredPoint&&)>& visit);

  /// The results of writes that the copy remembers, in order; of now when `moment` is null.
  static Result<void> scan_results(const RocksDatabase& database, CopyNumber copy, const rocksdb::Snapshot* moment,
                                   const std::function<Result<void>(StoredWrite&&)>& visit);

  Result<void> write(std::span<const StoredWrite> writes) override;
  Result<std::optional<StoredPoint>> get(const PointId& id) const override;
  Result<std::vector<std::optional<StoredPoint>>> get_many(std::span<const PointId> ids) const override;
  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(StoredPoint&&)>& visit) const override;
  Result<std::optional<RequestResult>> find_result(const RequestId& id) const override;
  SequenceNumber applied_sequence() const override { return applied_.load(std::memory_order_acquire); }
  SequenceNumber last_sequence() const override { return std::max(applied_sequence(), doubtful_.load()); }
  bool has_room_for(std::uint64_t bytes) const override;

 private:
  Result<void> usable() const;
  /// results_mutex_ held: the table agrees with the database.
  Result<void> load_results() const;

  RocksDatabase& database_;
  const CopyNumber copy_;
  const Sync sync_;
  std::optional<Error> open_error_;
  std::atomic<SequenceNumber> applied_{0};
  /// Of the last batch that failed: its record may be in RocksDB's log and come back to life after a crash, so that
  /// none of its sequences may mean anything else.
  std::atomic<SequenceNumber> doubtful_{0};
  mutable std::mutex results_mutex_;
  mutable ResultTable results_;
  mutable bool results_loaded_ = false;  // not before somebody asks, and not after a batch of unknown outcome
};

}  // namespace vectorizer::storage
