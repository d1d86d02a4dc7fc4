#pragma once

#include <hnswlib/hnswlib.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "file_io.hpp"
#include "search_scratch.hpp"
#include "vector_table.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::index {

/// The HNSW graph over the first `indexed()` slots of a table. hnswlib builds it; what it stores as a "vector" is the
/// number of the slot, and its node ids are the slots, so that the graph costs links only. Searching is our own walk.
///
/// Thread-safety: one thread inserts beside any number of walks.
class Graph {
 public:
  Graph(const VectorTable& table, std::size_t m, std::size_t ef_construction);
  ~Graph();

  /// Takes slots indexed()..end-1 in. A removed one becomes a node without links, so that ids and slots stay equal.
  void insert_until(Slot end);
  std::size_t indexed() const { return indexed_.load(std::memory_order_acquire); }

  /// Which nodes a walk may return.
  struct Filter {
    const SlotBitmap* bitmap = nullptr;
    std::size_t max_distances = SIZE_MAX;  ///< give up after so many
  };
  struct Walk {
    bool complete = true;  ///< false: it gave up, a scan is cheaper
    std::size_t end = 0;   ///< slots below were in the graph; the others are the caller's tail
  };
  /// Walks towards the query; leaves the nearest `ef` accepted nodes, among rejected ones, in `scratch.pool`.
  Walk walk(const QueryCode& query, std::size_t ef, const Filter& filter, SearchScratch& scratch) const;

  /// False for a node that no walk can reach, because it was removed before it was inserted.
  bool linked(Slot slot) const;
  std::size_t bytes() const;

  /// Not beside insert_until.
  void write(FileWriter& out) const;
  /// Reads what `write` wrote into this empty graph; the table holds the codes of `count` slots.
  Result<void> read(FileReader& in, std::size_t count);

 private:
  class SlotSpace;
  using Hnsw = hnswlib::HierarchicalNSW<float>;

  struct Entry {
    Slot slot;
    int level;
  };

  void insert_range(Slot begin, Slot end);
  void begin_inserting(std::size_t end);
  void insert(Slot slot);
  void append_unlinked(Slot slot);
  void publish_entry();
  std::shared_lock<std::shared_mutex> lock_for_walk() const;
  Entry descend(const QueryCode& query, Entry entry, std::size_t end, bool locking, SearchScratch& scratch) const;
  template <bool kSelective>
  bool walk_level0(const QueryCode& query, const Filter& filter, std::size_t end, bool locking,
                   SearchScratch& scratch) const;
  void copy_links(Slot slot, int level, bool locking, std::vector<Slot>& links) const;
  std::size_t unvisited_links(Slot slot, std::size_t end, bool locking, SearchScratch& scratch) const;
  Result<void> read_node(FileReader& in, Slot slot, std::size_t count);
  Result<void> check_links() const;

  const VectorTable& table_;
  const std::size_t m_;
  const std::size_t ef_construction_;
  std::unique_ptr<SlotSpace> space_;
  std::unique_ptr<Hnsw> hnsw_;  // none until the first insert; a walk may use it once indexed() > 0

  bool failed_ = false;  // hnswlib threw: no more inserts

  // Walks hold `growing_` shared; exclusive is to move hnswlib's arrays, and to wait out walks that do not lock nodes.
  // glibc lets readers pass a waiting writer for ever, so everyone goes through `turnstile_`.
  mutable std::mutex turnstile_;
  mutable std::shared_mutex growing_;
  std::atomic<bool> inserting_{false};  // then a walk copies links under hnswlib's per-node lock
  std::atomic<std::size_t> indexed_{0};
  std::atomic<std::uint64_t> entry_{kNoEntry};  // level << 32 | slot
  static constexpr std::uint64_t kNoEntry = ~std::uint64_t{0};
};

}  // namespace vectorizer::index
