#pragma once

#include <cstddef>
#include <map>

#include "bitmap.hpp"
#include "payload_facts.hpp"
#include "vectorizer/model/match_value.hpp"

namespace vectorizer::payload {

/// Everything indexed of one path. Not thread-safe; the index that owns it locks.
class PathIndex {
 public:
  /// @param max_values distinct values, and distinct instants, beyond which only the flags are kept.
  void add(Slot slot, const PathFacts& facts, std::size_t max_values);
  void remove(Slot slot, const PathFacts& facts);

  Bounds match(const MatchAny& match) const;
  Bounds match(const MatchExcept& match) const;
  Bounds match(const Range& range) const;

  const Bitmap& present() const { return present_; }      ///< slots that have the key, whatever its value
  const Bitmap& non_empty() const { return non_empty_; }  ///< slots where some value is more than null or []
  const Bitmap& nulls() const { return nulls_; }
  bool complete() const { return !overflowed_; }
  std::size_t bytes() const;

 private:
  struct Found {
    Bitmap slots;
    bool exact = true;
  };
  Found find(const std::vector<MatchValue>& values) const;
  void overflow();

  std::map<MatchValue, Posting, MatchValueLess> values_;  ///< all elements but nulls, objects and texts
  std::map<double, Posting> times_;
  Bitmap present_, non_empty_, nulls_, texts_;
  Bitmap elements_;  ///< slots that hold some element
  Bitmap more_;      ///< slots whose elements are not all the same value
  bool overflowed_ = false;
  std::size_t value_bytes_ = 0;  ///< estimate of what values_ and times_ take
};

}  // namespace vectorizer::payload
