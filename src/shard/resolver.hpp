#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "slot_table.hpp"
#include "vectorizer/model/requests.hpp"
#include "vectorizer/storage/shard_store.hpp"
#include "write_queue.hpp"

namespace vectorizer::shard {

using PointsById = std::unordered_map<PointId, Point, PointIdHash>;

/// Turns what clients meant into what is stored: merges patches, re-checks filters, says not_found, and numbers the
/// changes. Later operations see the results of earlier ones of the same batch. An operation that changes nothing is
/// applied and writes nothing.
///
/// For one batch, by whoever holds the commit lock.
class Resolver {
 public:
  /// @param next the sequence of the first write
  Resolver(const SlotTable& table, const storage::ShardStore& store, SequenceNumber next)
      : table_(table), store_(store), next_(next) {}

  /// Reads from the store, at once, the points that the operations build on.
  Result<void> prefetch(std::span<PendingWrite* const> group);
  /// One outcome per operation. After an error nothing of `ops` is among the writes.
  WriteResult resolve(std::span<const WriteOp> ops);

  /// The request that was resolved last is remembered with its outcomes: a change like the others.
  void remember(RequestResult result);

  std::span<const storage::StoredWrite> writes() const { return writes_; }
  /// The last write of each id, in order: what becomes visible.
  std::vector<const storage::StoredWrite*> final_writes() const;
  const PointsById& stored() const { return stored_; }

 private:
  Result<WriteOutcome> resolve_one(const WriteOp& op);
  Result<WriteOutcome> change(const WriteOp& op);
  void push(bool deleted, Point point);
  void roll_back(std::size_t size);

  bool exists(const PointId& id) const;
  std::string_view payload_of(const PointId& id) const;
  const Point* point_of(const PointId& id) const;

  const SlotTable& table_;
  const storage::ShardStore& store_;
  const SequenceNumber next_;
  PointsById stored_;
  std::vector<storage::StoredWrite> writes_;
  std::unordered_map<PointId, std::size_t, PointIdHash> last_write_;  // index in writes_
};

}  // namespace vectorizer::shard
