#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "row_store.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {

/// (distance, slot) order: equal distances by slot.
inline bool nearer(const Neighbor& a, const Neighbor& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
}

/// The nearest `limit` of what is offered.
class NearestSlots {
 public:
  explicit NearestSlots(std::size_t limit) : limit_(limit) {}

  void offer(Neighbor candidate) {
    if (heap_.size() < limit_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end(), nearer);
    } else if (limit_ > 0 && nearer(candidate, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), nearer);
      heap_.back() = candidate;
      std::push_heap(heap_.begin(), heap_.end(), nearer);
    }
  }
  /// Ascending; the object is empty afterwards.
  std::vector<Neighbor> take() {
    std::sort_heap(heap_.begin(), heap_.end(), nearer);
    return std::move(heap_);
  }

 private:
  std::size_t limit_;
  std::vector<Neighbor> heap_;
};

/// The sorted candidates of a graph walk: as many as needed to hold the nearest `ef` accepted ones. Rejected ones
/// (removed, or outside the filter) stay in between, because the way to accepted ones may lead through them.
class CandidatePool {
 public:
  static constexpr Slot kExpanded = Slot{1} << 31;
  static constexpr Slot kRejected = Slot{1} << 30;
  static constexpr Slot kSlotBits = kRejected - 1;

  struct Candidate {
    float distance;
    Slot tagged;  ///< the slot, with kExpanded and kRejected
    Slot slot() const { return tagged & kSlotBits; }
    bool expanded() const { return (tagged & kExpanded) != 0; }
    bool rejected() const { return (tagged & kRejected) != 0; }
  };

  void reset(std::size_t ef) {
    ef_ = ef;
    accepted_ = 0;
    next_ = 0;
    candidates_.clear();
  }
  bool admits(float distance) const { return accepted_ < ef_ || distance < candidates_.back().distance; }
  void insert(float distance, Slot slot, bool rejected);
  /// The nearest candidate that was not expanded yet, marked as expanded; false when there is none.
  bool expand_next(Slot& slot);
  /// The candidate that expand_next would give, for prefetching.
  bool peek_next(Slot& slot);
  /// It is full, and half of it is as far away as the last: equal vectors, which may be all around what is nearer.
  bool plateau() const {
    const std::size_t equal = std::max<std::size_t>(8, candidates_.size() / 2);  // fewer may be chance
    if (accepted_ < ef_ || candidates_.size() <= equal) return false;
    return candidates_[candidates_.size() - 1 - equal].distance == candidates_.back().distance;
  }
  std::size_t ef() const { return ef_; }
  std::size_t size() const { return candidates_.size(); }
  const std::vector<Candidate>& candidates() const { return candidates_; }

 private:
  std::size_t ef_ = 0;
  std::size_t accepted_ = 0;
  std::size_t next_ = 0;  // all before it are expanded
  std::vector<Candidate> candidates_;
};

/// What one thread needs during a search, kept from one to the next.
struct SearchScratch {
  /// Forgets all marks, and has room for slots below `slots`.
  void clear_visited(std::size_t slots);
  /// True the first time.
  bool visit(Slot slot) {
    if (visited[slot] == epoch) return false;
    visited[slot] = epoch;
    return true;
  }

  CandidatePool pool;
  std::vector<Slot> links;
  std::vector<float> query;
  std::vector<std::int8_t> query_codes;

 private:
  std::vector<std::uint16_t> visited;  // the epoch in which a slot was visited
  std::uint16_t epoch = 0;
};

/// This thread's; no function keeps it across a call into the index.
SearchScratch& thread_scratch();

}  // namespace vectorizer::index
