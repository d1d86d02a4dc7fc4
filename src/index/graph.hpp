#pragma once

#include <hnswlib/hnswlib.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "file_io.hpp"
#include "graph_gate.hpp"
#include "search_scratch.hpp"
#include "vector_table.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::index {

/// The HNSW graph over the first `indexed()` slots of a table. hnswlib builds it; what it stores as a "vector" is the
/// number of the slot, and its node ids are the slots, so that the graph costs links only. Searching is our own walk.
///
/// Thread-safety: any number of threads insert beside any number of walks. Nodes are finished in any order; walks see
/// those before the first unfinished one.
class Graph {
 public:
  Graph(const VectorTable& table, std::size_t m, std::size_t ef_construction);
  ~Graph();

  /// Takes up to `max` of the next slots below `end` in, and returns how many: 0 when others have taken them all, when
  /// there is no memory for more, or after `failed`. A removed slot becomes a node without links, so that ids and slots
  /// stay equal.
  std::size_t insert(std::size_t max, Slot end);
  /// An insert broke off half-way: the graph stays as it is, and takes no more.
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
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

  /// Inserts wait for as long as it is held.
  [[nodiscard]] std::unique_lock<FairSharedMutex> pause_inserts() const { return gate_.pause_inserts(); }
  /// With inserts paused.
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

  bool insert_next(Slot end);
  std::optional<Slot> claim(Slot end);
  void reserve(std::size_t end);
  void insert_node(Slot slot);
  /// Links it to what is near on its levels.
  void connect(Slot slot, int level);
  Slot nearest_above(Slot slot, Entry entry, int level);
  /// Without links.
  void make_node(Slot slot, int level);
  int level_of(Slot slot) const;
  void finish(Slot slot);
  void publish_entry(Entry entry);
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

  mutable GraphGate gate_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> out_of_memory_{false};  // for the arrays: said once

  std::mutex claims_mutex_;
  std::size_t next_ = 0;      // slots below are claimed
  std::size_t capacity_ = 0;  // of hnswlib's arrays
  std::set<Slot> finished_;   // after indexed_
  std::vector<Entry> tops_;   // finished nodes of a new top level that walks do not know yet

  std::atomic<std::size_t> indexed_{0};
  std::atomic<std::uint64_t> entry_{kNoEntry};  // level << 32 | slot
  static constexpr int kMaxLevel = 63;
  static constexpr std::uint64_t kNoEntry = ~std::uint64_t{0};
};

}  // namespace vectorizer::index
