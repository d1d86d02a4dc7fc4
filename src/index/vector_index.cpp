#include "vectorizer/index/vector_index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>

#include "graph.hpp"
#include "index_file.hpp"
#include "search_scratch.hpp"
#include "vector_table.hpp"

namespace vectorizer::index {
namespace {

constexpr std::size_t kMaxEf = 1 << 16;
constexpr std::size_t kPrefetchAhead = 4;

// Relative costs, measured: a code met on a walk costs about three times one that is scanned in order, and a walk meets
// about 13 codes per unit of ef.
constexpr double kWalkedPerScanned = 3;
constexpr double kDistancesPerEf = 13;

constexpr float kEqual = 1e-6F;  // of two equal unit vectors, after rounding

/// How many candidates are compared again in full precision.
std::size_t rescored(std::size_t limit) {
  return std::max<std::size_t>(32, 2 * limit);
}

/// The code of a query, in this thread's scratch.
QueryCode coded(std::span<const float> query, SearchScratch& scratch) {
  scratch.query_codes.resize(query.size());
  return encode_query(query, scratch.query_codes.data());
}

/// How a scan sees a slot: by its code, or in full precision.
struct CodeScan {
  const VectorTable& table;
  const QueryCode& query;
  float distance(Slot slot) const { return table.code_distance(query, slot); }
  void prefetch(Slot slot) const { table.prefetch_code(slot); }
};
struct ExactScan {
  const VectorTable& table;
  std::span<const float> query;
  float distance(Slot slot) const { return table.exact_distance(query, slot); }
  void prefetch(Slot slot) const { __builtin_prefetch(table.vector(slot).data()); }
};

class HnswIndex : public VectorIndex {
 public:
  explicit HnswIndex(const IndexOptions& options)
      : options_(options), table_(options), graph_(table_, options.m, options.ef_construction) {}

  Slot add(std::span<const float> vector) override { return table_.append(vector); }
  void remove(Slot slot) override { table_.remove(slot); }
  bool keeps_vectors() const override { return table_.keeps_vectors(); }
  bool removed(Slot slot) const override { return slot >= table_.slots() || table_.removed(slot); }

  std::vector<Neighbor> search(std::span<const float> query, const SearchParams& params) const override;
  std::vector<Neighbor> search_slots(std::span<const float> query, const SearchParams& params,
                                     std::span<const Slot> slots) const override;
  std::size_t index_pending(std::size_t max) override;
  IndexStats stats() const override;
  Result<std::size_t> save(const std::filesystem::path& file, std::string_view extra) const override {
    return write_index_file(file, options_, table_, graph_, extra);
  }

  Result<std::string> load(const std::filesystem::path& file) {
    return read_index_file(file, options_, table_, graph_);
  }
  void restore(Slot slot, std::span<const float> vector);

 private:
  /// A query as the searches below need it.
  struct Prepared {
    std::span<const float> vector;
    QueryCode code;
  };

  bool wants_graph() const { return table_.live() >= options_.graph_threshold; }
  Prepared prepare(std::span<const float> query, SearchScratch& scratch) const;
  bool scan_is_cheaper(const SlotBitmap& filter, std::size_t ef) const;
  bool may_hide_nearer(const Prepared& query, const CandidatePool& pool) const;
  std::vector<Neighbor> walk(const Prepared& query, const SearchParams& params, SearchScratch& scratch) const;
  /// Offers all slots in [begin, end) that are neither removed nor outside the filter.
  template <typename Scan>
  void scan(std::size_t begin, std::size_t end, const SlotBitmap* filter, NearestSlots& nearest,
            const Scan& scan) const;
  template <typename Scan>
  static void offer_all(std::span<const Slot> slots, NearestSlots& nearest, const Scan& scan);
  std::vector<Neighbor> scan_exact(const Prepared& query, const SearchParams& params, std::size_t slots) const;
  std::vector<Neighbor> scan_codes(const Prepared& query, const SearchParams& params, std::size_t slots) const;
  std::vector<Neighbor> finish(const Prepared& query, const SearchParams& params, std::vector<Neighbor> found) const;

  const IndexOptions options_;
  VectorTable table_;
  Graph graph_;
  std::vector<Slot> strays_;  // restored, but removed when the graph passed them: scanned with the tail
};

HnswIndex::Prepared HnswIndex::prepare(std::span<const float> query, SearchScratch& scratch) const {
  scratch.query.resize(table_.dimension());
  prepare_vector(table_.metric(), query, scratch.query.data());
  return {scratch.query, coded(scratch.query, scratch)};
}

std::vector<Neighbor> HnswIndex::search(std::span<const float> query, const SearchParams& params) const {
  assert(query.size() == table_.dimension());
  const std::size_t slots = table_.slots();
  if (params.limit == 0 || slots == 0) return {};
  SearchScratch& scratch = thread_scratch();
  const Prepared prepared = prepare(query, scratch);
  if (params.exact || !wants_graph()) {
    if (table_.keeps_vectors()) return scan_exact(prepared, params, slots);
    return finish(prepared, params, scan_codes(prepared, params, slots));
  }
  const std::size_t ef = std::max(params.ef, params.limit);
  if (ef > kMaxEf || (params.filter != nullptr && scan_is_cheaper(*params.filter, ef))) {
    return finish(prepared, params, scan_codes(prepared, params, slots));
  }
  return finish(prepared, params, walk(prepared, params, scratch));
}

/// A walk has to pass the more nodes that do not match, the fewer match.
bool HnswIndex::scan_is_cheaper(const SlotBitmap& filter, std::size_t ef) const {
  const auto matches = static_cast<double>(filter.count);
  const double walked = kDistancesPerEf * static_cast<double>(ef) * static_cast<double>(table_.live());
  return matches * matches <= kWalkedPerScanned * walked;
}

/// A walk goes on only to what is nearer than the last candidate, so it cannot cross more equal vectors than it holds.
/// Where these are equal to the query, nothing is nearer.
bool HnswIndex::may_hide_nearer(const Prepared& query, const CandidatePool& pool) const {
  if (!pool.plateau()) return false;
  if (table_.metric() == Metric::kDot || !table_.keeps_vectors()) return true;
  return table_.exact_distance(query.vector, pool.candidates().back().slot()) > kEqual;
}

std::vector<Neighbor> HnswIndex::walk(const Prepared& query, const SearchParams& params, SearchScratch& scratch) const {
  const std::size_t ef = std::max(params.ef, params.limit);
  Graph::Filter filter{params.filter, SIZE_MAX};
  // Where what matches lies far from the query, a walk can see most of the graph: by then a scan would have been done.
  if (params.filter != nullptr) filter.max_distances = std::max<std::size_t>(params.filter->count, 64 * ef);
  const Graph::Walk walked = graph_.walk(query.code, ef, filter, scratch);
  const std::size_t slots = table_.slots();  // only now: at least what the graph had
  if (!walked.complete || may_hide_nearer(query, scratch.pool)) return scan_codes(query, params, slots);

  NearestSlots nearest(rescored(params.limit));
  for (const auto& candidate : scratch.pool.candidates()) {
    // Asked again: a slot that was removed before this search returns should not come back.
    if (candidate.rejected() || table_.removed(candidate.slot())) continue;
    nearest.offer({candidate.slot(), candidate.distance});
  }
  for (const Slot slot : strays_) {
    if (table_.removed(slot) || (params.filter != nullptr && !params.filter->contains(slot))) continue;
    nearest.offer({slot, table_.code_distance(query.code, slot)});
  }
  scan(walked.end, slots, params.filter, nearest, CodeScan{table_, query.code});
  std::vector<Neighbor> found = nearest.take();
  const std::size_t exist = params.filter != nullptr ? params.filter->count : table_.live();
  if (found.size() < std::min(params.limit, exist)) return scan_codes(query, params, slots);
  return found;
}

template <typename Scan>
void HnswIndex::scan(std::size_t begin, std::size_t end, const SlotBitmap* filter, NearestSlots& nearest,
                     const Scan& scan) const {
  std::array<Slot, 64> matches;
  while (begin < end) {
    const std::size_t word = begin / 64;
    std::uint64_t bits = ~table_.removed_word(word) & ~std::uint64_t{0} << (begin % 64);
    if (filter != nullptr) bits &= word < filter->words.size() ? filter->words[word] : 0;
    if (end < word * 64 + 64) bits &= ~(~std::uint64_t{0} << (end % 64));
    std::size_t count = 0;
    for (; bits != 0; bits &= bits - 1) {
      matches[count++] = static_cast<Slot>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
    }
    offer_all({matches.data(), count}, nearest, scan);
    begin = word * 64 + 64;
  }
}

template <typename Scan>
void HnswIndex::offer_all(std::span<const Slot> slots, NearestSlots& nearest, const Scan& scan) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i + kPrefetchAhead < slots.size()) scan.prefetch(slots[i + kPrefetchAhead]);
    nearest.offer({slots[i], scan.distance(slots[i])});
  }
}

std::vector<Neighbor> HnswIndex::scan_exact(const Prepared& query, const SearchParams& params,
                                            std::size_t slots) const {
  NearestSlots nearest(params.limit);
  scan(0, slots, params.filter, nearest, ExactScan{table_, query.vector});
  return nearest.take();
}

std::vector<Neighbor> HnswIndex::scan_codes(const Prepared& query, const SearchParams& params,
                                            std::size_t slots) const {
  NearestSlots nearest(rescored(params.limit));
  scan(0, slots, params.filter, nearest, CodeScan{table_, query.code});
  return nearest.take();
}

/// Compares the candidates again in full precision, where there is one, and keeps the nearest `limit`.
std::vector<Neighbor> HnswIndex::finish(const Prepared& query, const SearchParams& params,
                                        std::vector<Neighbor> found) const {
  for (Neighbor& neighbor : found) {
    if (params.rescore && table_.keeps_vectors()) {
      neighbor.distance = table_.exact_distance(query.vector, neighbor.slot);
    } else if (table_.metric() != Metric::kDot) {
      neighbor.distance =
          std::max(neighbor.distance, 0.0F);  // the error of the codes must not show as an impossible one
    }
  }
  std::sort(found.begin(), found.end(), nearer);
  if (found.size() > params.limit) found.resize(params.limit);
  return found;
}

std::vector<Neighbor> HnswIndex::search_slots(std::span<const float> query, const SearchParams& params,
                                              std::span<const Slot> slots) const {
  assert(query.size() == table_.dimension());
  const std::size_t end = table_.slots();
  if (params.limit == 0) return {};
  const Prepared prepared = prepare(query, thread_scratch());
  std::vector<Slot> wanted;
  wanted.reserve(slots.size());
  for (const Slot slot : slots) {
    if (slot >= end || table_.removed(slot)) continue;
    if (params.filter == nullptr || params.filter->contains(slot)) wanted.push_back(slot);
  }
  if (table_.keeps_vectors() && (params.exact || !wants_graph())) {
    NearestSlots nearest(params.limit);
    offer_all(wanted, nearest, ExactScan{table_, prepared.vector});
    return nearest.take();
  }
  NearestSlots nearest(rescored(params.limit));
  offer_all(wanted, nearest, CodeScan{table_, prepared.code});
  return finish(prepared, params, nearest.take());
}

std::size_t HnswIndex::index_pending(std::size_t max) {
  if (!wants_graph()) return 0;
  return graph_.insert(max, static_cast<Slot>(table_.slots()));
}

IndexStats HnswIndex::stats() const {
  IndexStats stats;
  const std::size_t indexed = graph_.indexed();  // before slots, which only grows: the difference stays positive
  stats.slots = table_.slots();
  stats.live = std::min(table_.live(), stats.slots);
  stats.tombstones = stats.slots - stats.live;
  stats.failed = graph_.failed();
  stats.indexed = wants_graph() ? indexed : stats.slots;
  stats.pending = table_.live_between(stats.indexed, stats.slots);
  stats.code_bytes = table_.code_bytes();
  stats.graph_bytes = graph_.bytes();
  stats.vector_bytes = table_.vector_bytes();
  return stats;
}

void HnswIndex::restore(Slot slot, std::span<const float> vector) {
  table_.restore(slot, vector);
  if (slot < graph_.indexed() && !graph_.linked(slot)) strays_.push_back(slot);
}

}  // namespace

float score_of(Metric metric, float distance) {
  switch (metric) {
    case Metric::kCosine:
      return 1 - distance;
    case Metric::kDot:
      return -distance;
    case Metric::kEuclidean:
      return std::sqrt(std::max(distance, 0.0F));
  }
  return distance;
}

float distance_of(Metric metric, float score) {
  switch (metric) {
    case Metric::kCosine:
      return 1 - score;
    case Metric::kDot:
      return -score;
    case Metric::kEuclidean:
      return score * std::abs(score);  // a negative threshold admits nothing
  }
  return score;
}

std::unique_ptr<VectorIndex> make_vector_index(const IndexOptions& options) {
  return std::make_unique<HnswIndex>(options);
}

Result<LoadedIndex> load_vector_index(const IndexOptions& options, const std::filesystem::path& file) {
  auto index = std::make_unique<HnswIndex>(options);
  ASSIGN_OR_RETURN(std::string extra, index->load(file));
  const std::size_t slots = index->stats().slots;
  return LoadedIndex{std::move(index), std::move(extra), slots};
}

void restore_vector(VectorIndex& index, Slot slot, std::span<const float> vector) {
  dynamic_cast<HnswIndex&>(index).restore(slot, vector);
}

}  // namespace vectorizer::index
