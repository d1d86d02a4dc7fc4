#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/index/vector_index.hpp"
#include "vectorizer/model/point_id.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::shard {

using index::Slot;
using storage::SequenceNumber;

/// What a slot of the index stands for.
struct SlotEntry {
  PointId id;
  SequenceNumber sequence = 0;  ///< of the write that produced this version of the point
  std::string payload;          ///< empty when the point has none, or when it is too long to keep here
  bool live = false;
  bool payload_in_store = false;  ///< longer than SlotTable::kKeptPayloadBytes
};

/// A slot as it comes back from a saved table.
struct SavedSlot {
  Slot slot;
  SequenceNumber sequence;
  PointId id;
};

/// slot -> point and point -> slot of one generation of the index. An id has at most one live slot. What is live here
/// is what reads may see: a slot that the index knows and this table does not (yet, or any more) does not exist.
///
/// Not thread-safe: ShardState::table_mutex guards it.
class SlotTable {
 public:
  static constexpr std::size_t kKeptPayloadBytes = 1024;

  /// The next slot, live. The id must not have a live slot.
  Slot append(const PointId& id, SequenceNumber sequence, std::string_view payload);
  /// Slots up to `count` exist, all removed.
  void append_removed(std::size_t count) { entries_.resize(count); }
  /// Revives a removed slot.
  void restore(Slot slot, const PointId& id, SequenceNumber sequence, std::string_view payload);
  /// Takes the slot's point out; the slot stays, removed.
  SlotEntry remove(Slot slot);

  /// A hash table with room for `more` further points; empty when there is room. Making it takes as long as there are
  /// points, and only reads: a writer does it before it keeps the readers out.
  std::vector<std::uint32_t> grown(std::size_t more) const;
  /// Takes over what `grown` gave, with no change in between; leaves the old one in `buckets`.
  void adopt(std::vector<std::uint32_t>& buckets) { buckets_.swap(buckets); }

  std::optional<Slot> find(const PointId& id) const;
  /// The entry of a live slot; nullptr for a removed or unknown one.
  const SlotEntry* live(Slot slot) const;

  std::size_t slots() const { return entries_.size(); }
  std::size_t live_count() const { return live_; }
  std::size_t payload_bytes() const { return payload_bytes_; }

  /// The bytes that are kept in the saved index: docs/formats/slot-table.md.
  std::string encode() const;
  /// The same in parts, between which the table may change: the start, then all slots below `slots` in order. An id that
  /// moves meanwhile is in its old slot or in none, because its new one is not below `slots`.
  static std::string encode_start(std::size_t slots);
  void encode_slots(std::string& out, std::size_t begin, std::size_t end) const;
  static Result<std::vector<SavedSlot>> decode(std::string_view bytes);

 private:
  void fill(Slot slot, const PointId& id, SequenceNumber sequence, std::string_view payload);
  std::size_t bucket_of(const std::vector<std::uint32_t>& buckets, const PointId& id) const;
  void erase_bucket(const PointId& id);

  std::deque<SlotEntry> entries_;       // by slot; a deque, so that growing never moves what is there
  std::vector<std::uint32_t> buckets_;  // open addressing by id, linear probing: slot + 1, 0 for free
  std::size_t live_ = 0;
  std::size_t payload_bytes_ = 0;
};

}  // namespace vectorizer::shard
