#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/point.hpp"
#include "vectorizer/model/request_id.hpp"

namespace vectorizer::storage {

/// Order of operations inside a shard; ascending, from 1. Gapless but for batches whose outcome was unknown.
using SequenceNumber = std::uint64_t;

struct StoredPoint {
  Point point;
  SequenceNumber sequence = 0;  ///< of the write that produced it
};

/// A physical change: the final point, or a tombstone (`point.vector` empty, `deleted`); or what became of a client's
/// write, which is remembered like a change (`deleted`, without a point).
struct StoredWrite {
  SequenceNumber sequence = 0;
  bool deleted = false;
  Point point;
  std::optional<RequestResult> result{};
};

/// The durable points of one shard. Thread-safe.
class ShardStore {
 public:
  virtual ~ShardStore() = default;

  /// Applies all writes in one atomic batch; durable (synced, unless configured otherwise) when it returns. After
  /// kInternal it is not known whether they are in the store; after any other error they are not, at least not yet.
  virtual Result<void> write(std::span<const StoredWrite> writes) = 0;
  virtual Result<std::optional<StoredPoint>> get(const PointId& id) const = 0;
  /// One entry per id, in the order asked.
  virtual Result<std::vector<std::optional<StoredPoint>>> get_many(std::span<const PointId> ids) const = 0;
  /// Visits points in id order from the first id greater than `after`; stops when `visit` returns false.
  virtual Result<void> scan(const std::optional<PointId>& after,
                            const std::function<bool(StoredPoint&&)>& visit) const = 0;
  /// What became of an earlier write, if the copy still remembers it: for 15 minutes, and no more than 100,000 of them.
  virtual Result<std::optional<RequestResult>> find_result(const RequestId&) const {
    return std::optional<RequestResult>();
  }
  /// Sequence of the last write that is in the store; 0 for none.
  virtual SequenceNumber applied_sequence() const = 0;

  /// Before writes are resolved: waits until all earlier ones are decided. Returns those that are decided but not in
  /// the store yet, for the caller to write(); an error means that nothing may be written now.
  virtual Result<std::vector<StoredWrite>> settle() { return std::vector<StoredWrite>(); }
  /// Sequence of the last write that has one: beyond applied_sequence() only after writes without changes, and after a
  /// write whose outcome is unknown. What comes next is numbered from here on.
  virtual SequenceNumber last_sequence() const { return applied_sequence(); }
  /// Whether as many bytes of other files fit on its disk without making it full.
  virtual bool has_room_for(std::uint64_t) const { return true; }
};

}  // namespace vectorizer::storage
