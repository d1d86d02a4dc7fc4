#include "searcher.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <span>

#include "matcher.hpp"
#include "payload_edit.hpp"

namespace vectorizer::shard {
namespace {

using index::Neighbor;

/// More than wanted, so that a hit that was updated meanwhile does not cost another pass.
constexpr std::size_t kSlack = 8;
/// Numbers that are scanned between two looks at the clock: some milliseconds.
constexpr std::size_t kScanPiece = std::size_t{1} << 22;

class StageTimer {
 public:
  explicit StageTimer(prometheus::Histogram& stage) : stage_(stage) {}
  ~StageTimer() { stage_.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count()); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  prometheus::Histogram& stage_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// At least `want` of `total`, and all that are as near as the last of them when `all_ties`. `run(limit)` searches.
template <typename Run>
Result<std::vector<Neighbor>> with_ties(std::size_t want, std::size_t total, bool all_ties, const Run& run) {
  for (std::size_t limit = want + kSlack;; limit = std::min(total, limit * 16)) {
    ASSIGN_OR_RETURN(std::vector<Neighbor> found, run(limit));
    const bool cut_through_ties = found.size() >= limit && found.back().distance <= found[want - 1].distance;
    if (!all_ties || !cut_through_ties || limit >= total) return found;
  }
}

/// Scans `total` slots piece by piece until the deadline; `piece(begin, end)` are those at these places.
template <typename Piece>
Result<std::vector<Neighbor>> scan(const index::VectorIndex& index, const SearchQuery& query,
                                   const index::SearchParams& params, std::size_t total, const Piece& piece) {
  const std::size_t length = std::max<std::size_t>(256, kScanPiece / query.vector.size());
  std::vector<Neighbor> nearest;
  for (std::size_t begin = 0; begin < total; begin += length) {
    RETURN_IF_ERROR(query.deadline.check());
    const auto found = index.search_slots(query.vector, params, piece(begin, std::min(total, begin + length)));
    const auto middle = nearest.insert(nearest.end(), found.begin(), found.end());
    std::inplace_merge(nearest.begin(), middle, nearest.end(), [](const Neighbor& a, const Neighbor& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
    });
    if (nearest.size() > params.limit) nearest.resize(params.limit);
  }
  return nearest;
}

Result<std::vector<Neighbor>> scan_slots(const index::VectorIndex& index, const SearchQuery& query,
                                         const index::SearchParams& params, std::span<const Slot> slots) {
  return scan(index, query, params, slots.size(),
              [&](std::size_t begin, std::size_t end) { return slots.subspan(begin, end - begin); });
}

Result<std::vector<Neighbor>> scan_all(const index::VectorIndex& index, const SearchQuery& query,
                                       const index::SearchParams& params, std::size_t total) {
  std::vector<Slot> slots;
  return scan(index, query, params, total, [&](std::size_t begin, std::size_t end) {
    slots.resize(end - begin);
    std::iota(slots.begin(), slots.end(), static_cast<Slot>(begin));
    return std::span<const Slot>(slots);
  });
}

}  // namespace

Result<std::vector<ScoredPoint>> Searcher::search(const SearchQuery& query) const {
  for (const Writers writers : {Writers::kIn, Writers::kIn, Writers::kOutAtTheEnd}) {
    ASSIGN_OR_RETURN(auto result, attempt(query, writers));
    if (result) return *std::move(result);
  }
  ASSIGN_OR_RETURN(auto result, attempt(query, Writers::kOut));
  return *std::move(result);
}

Result<std::optional<std::vector<ScoredPoint>>> Searcher::attempt(const SearchQuery& query, Writers writers) const {
  RETURN_IF_ERROR(query.deadline.check());
  std::unique_lock no_writers(state_.commit_mutex, std::defer_lock);
  const bool last = writers == Writers::kOut;
  if (last) no_writers.lock();
  std::optional<Pass> pass;
  {
    const StageTimer timer(state_.metrics.stage_plan);
    ASSIGN_OR_RETURN(pass, plan(query, last));
  }
  std::optional<std::vector<Hit>> hits;
  {
    const StageTimer timer(state_.metrics.stage_index);
    if (pass->want == 0) return std::optional(std::vector<ScoredPoint>{});
    ASSIGN_OR_RETURN(auto neighbors, nearest(*pass, query));
    if (writers == Writers::kOutAtTheEnd) no_writers.lock();
    ASSIGN_OR_RETURN(hits, settle(*pass, query, std::move(neighbors)));
  }
  if (!hits) return std::optional<std::vector<ScoredPoint>>();
  const StageTimer timer(state_.metrics.stage_payload);
  return complete(*std::move(hits), query, last);
}

Result<Searcher::Pass> Searcher::plan(const SearchQuery& query, bool last) const {
  Pass pass;
  pass.last = last;
  pass.want = query.limit + query.offset;
  pass.params.ef = query.ef.value_or(state_.ef_search);
  pass.params.rescore = query.rescore.value_or(state_.rescore);
  pass.params.exact = query.exact || last;  // after that nothing can be missing
  std::size_t live = 0;
  {
    const std::shared_lock lock(state_.table_mutex);
    pass.generation = state_.generation;
    pass.seen = pass.generation->table.slots();
    live = pass.generation->table.live_count();
  }
  if (query.filter && !query.filter->empty()) {
    ASSIGN_OR_RETURN(Matches matches, match_slots(state_, *pass.generation, *query.filter, query.deadline));
    pass.seen = matches.seen;
    matches.lock.unlock();
    pass.plan = plan_filtered(std::move(matches.slots), live, pass.params.ef, pass.params.exact);
  }
  pass.ties_matter =
      pass.params.exact || pass.plan.kind == SearchPlan::Kind::kSlots || live <= state_.options.graph_threshold;
  return pass;
}

Result<std::vector<Neighbor>> Searcher::nearest(const Pass& pass, const SearchQuery& query) const {
  const index::VectorIndex& index = *pass.generation->index;
  const SearchPlan& plan = pass.plan;
  index::SearchParams params = pass.params;
  const std::size_t total = plan.kind == SearchPlan::Kind::kEverything ? pass.seen : plan.slots.size();
  if (total == 0) return std::vector<Neighbor>{};
  return with_ties(pass.want, total, pass.ties_matter, [&](std::size_t limit) -> Result<std::vector<Neighbor>> {
    params.limit = limit;
    if (plan.kind == SearchPlan::Kind::kSlots) return scan_slots(index, query, params, plan.slots);
    if (plan.kind == SearchPlan::Kind::kEverything && params.exact) return scan_all(index, query, params, total);
    if (plan.kind == SearchPlan::Kind::kEverything) return index.search(query.vector, params);
    params.filter = &plan.bitmap;
    auto found = index.search(query.vector, params);
    params.filter = nullptr;
    // Matches that are far from the query: the traversal ran out of candidates before it met them.
    if (found.size() < std::min(limit, total)) return scan_slots(index, query, params, plan.slots);
    return found;
  });
}

Result<std::optional<std::vector<Searcher::Hit>>> Searcher::settle(const Pass& pass, const SearchQuery& query,
                                                                   std::vector<Neighbor> neighbors) const {
  const SlotTable& table = pass.generation->table;
  const bool filtered = pass.plan.kind != SearchPlan::Kind::kEverything;
  const std::shared_lock lock(state_.table_mutex);

  std::vector<Slot> fresh;
  for (auto slot = static_cast<Slot>(pass.seen); slot < table.slots(); ++slot) {
    const SlotEntry* entry = table.live(slot);
    if (entry == nullptr) continue;
    if (filtered) {
      ASSIGN_OR_RETURN(const bool holds, slot_matches(state_, *entry, *query.filter));
      if (!holds) continue;
    }
    fresh.push_back(slot);
  }
  std::erase_if(neighbors, [&](const Neighbor& hit) { return hit.slot >= pass.seen; });
  if (!fresh.empty()) {
    index::SearchParams params = pass.params;
    ASSIGN_OR_RETURN(const auto found, with_ties(pass.want, fresh.size(), pass.ties_matter, [&](std::size_t limit) {
                       params.limit = limit;
                       return scan_slots(*pass.generation->index, query, params, fresh);
                     }));
    neighbors.insert(neighbors.end(), found.begin(), found.end());
  }

  const auto alive = [&](Slot slot) { return table.live(slot) != nullptr; };
  std::erase_if(neighbors, [&](const Neighbor& hit) { return !alive(hit.slot); });
  if (neighbors.size() < pass.want) {
    const auto& slots = pass.plan.slots;
    const std::size_t exist =
        filtered ? static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), alive)) + fresh.size()
                 : table.live_count();
    if (neighbors.size() < std::min(pass.want, exist) && !pass.last) return std::optional<std::vector<Hit>>();
  }
  // Cut before anything is made of them: with ties there can be as many as there are vectors.
  const auto count = static_cast<std::ptrdiff_t>(std::min(pass.want, neighbors.size()));
  std::partial_sort(neighbors.begin(), neighbors.begin() + count, neighbors.end(),
                    [&](const Neighbor& a, const Neighbor& b) {
                      if (a.distance != b.distance) return a.distance < b.distance;
                      return table.live(a.slot)->id < table.live(b.slot)->id;
                    });
  neighbors.resize(static_cast<std::size_t>(count));
  std::vector<Hit> hits;
  hits.reserve(neighbors.size());
  for (const Neighbor& neighbor : neighbors) {
    const SlotEntry& entry = *table.live(neighbor.slot);
    Hit& hit = hits.emplace_back();
    hit.distance = neighbor.distance;
    hit.sequence = entry.sequence;
    hit.payload_in_store = entry.payload_in_store;
    hit.point.id = entry.id;
    if (query.projection.with_payload) hit.point.payload = entry.payload;
  }
  return std::optional(std::move(hits));
}

Result<std::optional<std::vector<ScoredPoint>>> Searcher::complete(std::vector<Hit> hits, const SearchQuery& query,
                                                                   bool last) const {
  using Completed = std::optional<std::vector<ScoredPoint>>;
  const Metric metric = state_.options.collection.metric;
  for (Hit& hit : hits) hit.point.score = index::score_of(metric, hit.distance);
  if (query.score_threshold) {
    std::erase_if(hits, [&](const Hit& hit) {
      return larger_is_better(metric) ? hit.point.score < *query.score_threshold
                                      : hit.point.score > *query.score_threshold;
    });
  }
  const Projection& what = query.projection;
  std::vector<PointId> ids;  // whose rest is in the store
  std::vector<Hit*> wanting;
  for (Hit& hit : hits) {
    if (!what.with_vector && !(what.with_payload && hit.payload_in_store)) continue;
    ids.push_back(hit.point.id);
    wanting.push_back(&hit);
  }
  if (!ids.empty()) {
    ASSIGN_OR_RETURN(auto stored, state_.store->get_many(ids));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool same = stored[i] && stored[i]->sequence == wanting[i]->sequence;
      if (!same && !last) return Completed();
      if (!same) {
        return Error{ErrorType::kInternal, "the store and the index differ about " + ids[i].to_json()};
      }
      if (what.with_vector) wanting[i]->point.vector = std::move(stored[i]->point.vector);
      if (what.with_payload) wanting[i]->point.payload = std::move(stored[i]->point.payload);
    }
  }
  std::vector<ScoredPoint> points;
  points.reserve(hits.size());
  for (Hit& hit : hits) {
    if (what.with_payload && !what.payload_keys.empty()) hit.point.payload = project_payload(hit.point.payload, what);
    points.push_back(std::move(hit.point));
  }
  return Completed(std::move(points));
}

}  // namespace vectorizer::shard
