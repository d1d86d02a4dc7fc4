#include "graph.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

namespace vectorizer::index {
namespace {

constexpr std::size_t kFirstCapacity = 1024;

/// Candidates, nearly all of them rejected, past which a selective walk gives up: each goes to its place in a sorted
/// array, so that their cost grows with the square of their number, and a scan is cheaper.
constexpr std::size_t kMaxCandidates = 8192;
constexpr std::size_t kMaxCandidatesPerEf = 8;

/// A number in [0, 1) that depends on an unordered pair.
float pair_noise(Slot a, Slot b) {
  std::uint64_t mixed = (std::uint64_t{std::min(a, b)} << 32 | std::max(a, b)) * 0x9E3779B97F4A7C15U;
  mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93U;
  return static_cast<float>(mixed >> 40) * 0x1p-24F;
}

/// What hnswlib builds with. Among many equal vectors all distances are equal, so its choice of diverse neighbours
/// would keep only equal ones and cut them off from the rest; a little noise makes it choose few of them.
float slot_distance(const void* a, const void* b, const void* table_pointer) {
  Slot left;
  Slot right;
  std::memcpy(&left, a, sizeof left);
  std::memcpy(&right, b, sizeof right);
  const auto& table = *static_cast<const VectorTable*>(table_pointer);
  const CodeMeta meta_left = table.meta(left);
  const CodeMeta meta_right = table.meta(right);
  const float distance = table.space().distance(table.code(left), meta_left, table.code(right), meta_right);
  if (std::memcmp(&meta_left, &meta_right, sizeof(CodeMeta)) != 0) return distance;
  const auto size = static_cast<float>(table.dimension());
  const float squared_norm = meta_left.squared_norm + size * meta_left.mean * meta_left.mean;
  const float least = table.metric() == Metric::kCosine ? 1.0F : 1e-30F;  // zero vectors can be equal, too
  return distance - 1e-4F * std::max(squared_norm, least) * pair_noise(left, right);
}

}  // namespace

/// Tells hnswlib that a vector is four bytes, the slot, and how to compare two.
class Graph::SlotSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit SlotSpace(const VectorTable& table) : table_(&table) {}
  std::size_t get_data_size() override { return sizeof(Slot); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return slot_distance; }
  void* get_dist_func_param() override { return const_cast<VectorTable*>(table_); }

 private:
  const VectorTable* table_;
};

Graph::Graph(const VectorTable& table, std::size_t m, std::size_t ef_construction)
    : table_(table), m_(m), ef_construction_(ef_construction), space_(std::make_unique<SlotSpace>(table)) {}

Graph::~Graph() = default;

std::size_t Graph::insert(std::size_t max, Slot end) {
  {
    const std::lock_guard lock(claims_mutex_);
    if (failed() || next_ >= end) max = 0;
  }
  if (max == 0) {
    gate_.rest();
    return 0;
  }
  const GraphGate::Inserting inserting(gate_);
  std::size_t count = 0;
  try {
    while (count < max && insert_next(end)) ++count;
  } catch (const std::exception& error) {
    // What was indexed stays searchable, and walks do not see a node that is half done; the rest stays in the tail.
    failed_.store(true, std::memory_order_relaxed);
    spdlog::error("the graph takes no more vectors after {} of them: {}", indexed(), error.what());
  }
  return count;
}

bool Graph::insert_next(Slot end) {
  for (;;) {
    {
      const GraphGate::Node node(gate_);
      const auto slot = claim(end);
      if (!slot) return false;
      if (*slot < end) {
        insert_node(*slot);
        return true;
      }
    }
    try {
      reserve(end);
    } catch (const std::exception& error) {
      // hnswlib keeps what it had: the next call tries again.
      if (!out_of_memory_.exchange(true)) {
        spdlog::error("no memory for more than {} vectors in the graph: {}", indexed(), error.what());
      }
      return false;
    }
    out_of_memory_ = false;
  }
}

/// The next slot; `end` where there is no room for it yet; nothing when there is none.
std::optional<Slot> Graph::claim(Slot end) {
  const std::lock_guard lock(claims_mutex_);
  if (failed() || next_ >= end) return std::nullopt;
  if (next_ >= capacity_) return end;
  hnsw_->cur_element_count = next_ + 1;
  hnsw_->element_levels_[next_] = 0;
  return static_cast<Slot>(next_++);
}

/// Makes room for slots below `end`.
void Graph::reserve(std::size_t end) {
  const auto alone = gate_.move_arrays();
  const std::lock_guard lock(claims_mutex_);
  if (next_ < capacity_) return;  // somebody else has
  const std::size_t wanted = std::max({end, capacity_ * 2, kFirstCapacity});
  if (hnsw_) {
    hnsw_->resizeIndex(wanted);
  } else {
    hnsw_ = std::make_unique<Hnsw>(space_.get(), wanted, m_, ef_construction_);
    std::vector<std::mutex>().swap(hnsw_->label_op_locks_);  // 2.5 MB that only operations by label need
  }
  capacity_ = wanted;
}

void Graph::insert_node(Slot slot) {
  // Decided once: a vector that is removed from here on is a node that is never returned.
  if (table_.removed(slot)) {
    make_node(slot, 0);
  } else {
    connect(slot, level_of(slot));
  }
  finish(slot);
}

/// As hnswlib's addPoint, which would choose the node's number itself.
void Graph::connect(Slot slot, int level) {
  const std::lock_guard node(hnsw_->link_list_locks_[slot]);
  make_node(slot, level);
  std::unique_lock top(hnsw_->global);
  const int top_level = hnsw_->maxlevel_;
  Slot nearest = hnsw_->enterpoint_node_;
  if (level <= top_level) top.unlock();
  if (top_level >= 0) nearest = nearest_above(slot, {nearest, top_level}, level);
  for (int at = std::min(level, top_level); at >= 0; --at) {
    auto candidates = hnsw_->searchBaseLayer(nearest, &slot, at);
    nearest = hnsw_->mutuallyConnectNewElement(&slot, slot, candidates, at, false);
  }
  if (level <= top_level) return;
  hnsw_->enterpoint_node_ = slot;
  hnsw_->maxlevel_ = level;
  const std::lock_guard lock(claims_mutex_);
  tops_.push_back({slot, level});
}

/// Greedy, down to the node that is nearest to a slot among those above its level.
Slot Graph::nearest_above(Slot slot, Entry entry, int level) {
  std::vector<Slot> links;
  float nearest = slot_distance(&slot, &entry.slot, &table_);
  for (; entry.level > level; --entry.level) {
    for (bool moved = true; moved;) {
      moved = false;
      copy_links(entry.slot, entry.level, true, links);
      for (const Slot link : links) {
        const float distance = slot_distance(&slot, &link, &table_);
        if (distance >= nearest) continue;
        nearest = distance;
        entry.slot = link;
        moved = true;
      }
    }
  }
  return entry.slot;
}

void Graph::make_node(Slot slot, int level) {
  std::memset(hnsw_->get_linklist0(slot), 0, hnsw_->size_data_per_element_);
  std::memcpy(hnsw_->getDataByInternalId(slot), &slot, sizeof slot);
  hnsw_->setExternalLabel(slot, slot);
  if (level == 0) return;
  // hnswlib calls free(), and reads the link after the last one to prefetch it.
  const std::size_t bytes = static_cast<std::size_t>(level) * hnsw_->size_links_per_element_ + sizeof(Slot);
  auto* const lists = static_cast<char*>(std::calloc(1, bytes));
  if (lists == nullptr) throw std::bad_alloc();
  hnsw_->linkLists_[slot] = lists;
  hnsw_->element_levels_[slot] = level;
}

/// Distributed as hnswlib's, but decided by the slot.
int Graph::level_of(Slot slot) const {
  const double uniform = 1.0 - static_cast<double>(pair_noise(slot, slot));  // in (0, 1]
  return std::min(static_cast<int>(-std::log(uniform) * hnsw_->mult_), kMaxLevel);
}

void Graph::finish(Slot slot) {
  const std::lock_guard lock(claims_mutex_);
  finished_.insert(slot);
  std::size_t count = indexed_.load(std::memory_order_relaxed);
  while (!finished_.empty() && *finished_.begin() == count) {
    finished_.erase(finished_.begin());
    ++count;
  }
  // In this order: who sees the new entry also sees that it is in the graph.
  indexed_.store(count, std::memory_order_release);
  std::erase_if(tops_, [&](const Entry& top) {
    if (top.slot >= count) return false;
    publish_entry(top);
    return true;
  });
}

/// Unless walks already enter higher up. With claims_mutex_ held, or before other threads use the graph.
void Graph::publish_entry(Entry entry) {
  const auto packed = static_cast<std::uint64_t>(entry.level) << 32 | entry.slot;
  const std::uint64_t known = entry_.load(std::memory_order_relaxed);
  if (known == kNoEntry || packed >> 32 > known >> 32) entry_.store(packed, std::memory_order_release);
}

Graph::Walk Graph::walk(const QueryCode& query, std::size_t ef, const Filter& filter, SearchScratch& scratch) const {
  scratch.pool.reset(ef);
  const GraphGate::Walk gate(gate_);
  const std::uint64_t packed = entry_.load(std::memory_order_acquire);
  const std::size_t end = indexed();  // after the entry, which is therefore below it
  if (packed == kNoEntry) return {true, end};
  Entry entry{static_cast<Slot>(packed & 0xFFFFFFFFU), static_cast<int>(packed >> 32)};
  const bool locking = gate.locking();
  entry = descend(query, entry, end, locking, scratch);

  scratch.clear_visited(end);
  scratch.visit(entry.slot);
  const float distance = table_.code_distance(query, entry.slot);
  const bool rejected = table_.removed(entry.slot) || (filter.bitmap && !filter.bitmap->contains(entry.slot));
  scratch.pool.insert(distance, entry.slot, rejected);
  const bool selective = filter.bitmap != nullptr || table_.live() < table_.slots();
  const bool complete = selective ? walk_level0<true>(query, filter, end, locking, scratch)
                                  : walk_level0<false>(query, filter, end, locking, scratch);
  return {complete, end};
}

/// Greedy, down to the node of level 1 that is nearest to the query.
Graph::Entry Graph::descend(const QueryCode& query, Entry entry, std::size_t end, bool locking,
                            SearchScratch& scratch) const {
  float nearest = table_.code_distance(query, entry.slot);
  for (; entry.level > 0; --entry.level) {
    for (bool moved = true; moved;) {
      moved = false;
      copy_links(entry.slot, entry.level, locking, scratch.links);
      std::erase_if(scratch.links, [end](Slot slot) { return slot >= end; });
      for (const Slot slot : scratch.links) table_.prefetch_code(slot);
      for (const Slot slot : scratch.links) {
        const float distance = table_.code_distance(query, slot);
        if (distance >= nearest) continue;
        nearest = distance;
        entry.slot = slot;
        moved = true;
      }
    }
  }
  return entry;
}

template <bool kSelective>
bool Graph::walk_level0(const QueryCode& query, const Filter& filter, std::size_t end, bool locking,
                        SearchScratch& scratch) const {
  CandidatePool& pool = scratch.pool;
  const std::size_t max_candidates = std::max(kMaxCandidates, kMaxCandidatesPerEf * pool.ef());
  std::size_t distances = 0;
  for (Slot slot; pool.expand_next(slot);) {
    const std::size_t fresh = unvisited_links(slot, end, locking, scratch);
    if (kSelective && (distances += fresh) > filter.max_distances) return false;
    if (kSelective && pool.size() > max_candidates) return false;
    for (std::size_t i = 0; i < fresh; ++i) {
      const Slot link = scratch.links[i];
      const float distance = table_.code_distance(query, link);
      if (!pool.admits(distance)) continue;
      bool rejected = false;
      if constexpr (kSelective) {
        rejected = table_.removed(link) || (filter.bitmap != nullptr && !filter.bitmap->contains(link));
      }
      pool.insert(distance, link, rejected);
    }
    Slot next;
    if (pool.peek_next(next)) {
      const auto* list = reinterpret_cast<const char*>(hnsw_->get_linklist0(next));
      __builtin_prefetch(list);
      __builtin_prefetch(list + 64);
    }
  }
  return true;
}

/// Puts the links of a node that this walk has not seen yet to the front of `scratch.links`, with their codes on the
/// way into the cache.
std::size_t Graph::unvisited_links(Slot slot, std::size_t end, bool locking, SearchScratch& scratch) const {
  copy_links(slot, 0, locking, scratch.links);
  std::size_t fresh = 0;
  for (const Slot link : scratch.links) {
    if (link >= end || !scratch.visit(link)) continue;
    table_.prefetch_code(link);
    scratch.links[fresh++] = link;
  }
  return fresh;
}

void Graph::copy_links(Slot slot, int level, bool locking, std::vector<Slot>& links) const {
  std::unique_lock<std::mutex> lock;
  if (locking) lock = std::unique_lock(hnsw_->link_list_locks_[slot]);
  auto* list = hnsw_->get_linklist_at_level(slot, level);
  const std::size_t count = hnsw_->getListCount(list);
  links.resize(count);
  if (count > 0) std::memcpy(links.data(), list + 1, count * sizeof(Slot));
}

bool Graph::linked(Slot slot) const {
  if (slot == static_cast<Slot>(entry_.load(std::memory_order_acquire) & 0xFFFFFFFFU)) return true;
  return hnsw_->getListCount(hnsw_->get_linklist0(slot)) > 0;
}

std::size_t Graph::bytes() const {
  const GraphGate::Walk gate(gate_);
  if (!hnsw_) return 0;
  const double upper = 1.0 / static_cast<double>(std::max<std::size_t>(m_, 2) - 1);  // expected lists above level 0
  const auto count = static_cast<double>(indexed());
  const auto per_node = static_cast<double>(hnsw_->size_data_per_element_ + sizeof(std::mutex) + sizeof(char*) +
                                            sizeof(int) + sizeof(hnswlib::vl_type));
  return static_cast<std::size_t>(count * (per_node + upper * static_cast<double>(hnsw_->size_links_per_element_)));
}

}  // namespace vectorizer::index
