#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/snapshot.h>

#include <atomic>
#include <functional>
#include <optional>

#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::storage {

class RocksDatabase;

/// The keys of one copy in the node's database. If its sequence cannot be read on opening, every call says why.
class RocksShardStore final : public ShardStore {
 public:
  enum class Sync : std::uint8_t { kAsConfigured, kNever };

  RocksShardStore(RocksDatabase& database, CopyNumber copy, Sync sync);

  /// As Database::read_checkpoint, at `moment`.
  static Result<void> scan_at(const RocksDatabase& database, CopyNumber copy, const rocksdb::Snapshot& moment,
                              const std::function<Result<void>(SequenceNumber)>& begin,
                              const std::function<Result<void>(StoredPoint&&)>& visit);

  Result<void> write(std::span<const StoredWrite> writes) override;
  Result<std::optional<StoredPoint>> get(const PointId& id) const override;
  Result<std::vector<std::optional<StoredPoint>>> get_many(std::span<const PointId> ids) const override;
  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(StoredPoint&&)>& visit) const override;
  SequenceNumber applied_sequence() const override { return applied_.load(std::memory_order_acquire); }

 private:
  Result<void> usable() const;

  RocksDatabase& database_;
  const CopyNumber copy_;
  const Sync sync_;
  std::optional<Error> open_error_;
  std::atomic<SequenceNumber> applied_{0};
};

}  // namespace vectorizer::storage
