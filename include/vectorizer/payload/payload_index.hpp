#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/index/vector_index.hpp"
#include "vectorizer/model/filter.hpp"

namespace vectorizer::payload {

using index::Slot;

/// The slots for which a filter holds, or an over-set of them that must be checked one by one.
struct Candidates {
  std::vector<Slot> slots;  ///< ascending
  bool exact = true;        ///< false: a superset; confirm each with filter_matches on its payload
};

/// Which points of a shard satisfy a filter, without reading their payloads: roaring bitmaps for keywords, booleans and
/// existence; sorted numeric columns for ranges and times. Every scalar path is indexed until it exceeds its budget of
/// distinct values or the index its budget of paths; past that it answers with a superset.
///
/// Thread-safe: one writer (add, remove) beside any number of readers.
class PayloadIndex {
 public:
  struct Options {
    std::size_t max_paths = 256;
    std::size_t max_values_per_path = 1U << 20;
  };
  virtual ~PayloadIndex() = default;

  /// `payload` is the bytes of a JSON object or empty. Slots come in ascending order and are added once.
  virtual void add(Slot slot, const PointId& id, std::string_view payload) = 0;
  virtual void remove(Slot slot, const PointId& id, std::string_view payload) = 0;

  virtual Candidates match(const Filter& filter) const = 0;
  /// Paths that are fully indexed, as the client writes them.
  virtual std::vector<std::string> indexed_paths() const = 0;
  virtual std::size_t bytes() const = 0;
};

std::unique_ptr<PayloadIndex> make_payload_index(const PayloadIndex::Options& options);

}  // namespace vectorizer::payload
