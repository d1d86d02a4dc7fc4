#include "searcher.hpp"

#include <algorithm>
#include <chrono>

#include "matcher.hpp"
#include "nearest.hpp"
#include "payload_edit.hpp"
#include "store_scan.hpp"
#include "vectorizer/index/exact_distance.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::shard {
namespace {

using index::Neighbor;

constexpr int kAttemptsBesideWriters = 3;
/// Points that are read from the store before their size is looked at.
constexpr std::size_t kReadAtOnce = 64;

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

/// Candidates of codes that are compared again in full precision.
std::size_t rescored(std::size_t want) {
  return std::max<std::size_t>(32, 2 * want);
}

}  // namespace

Result<std::vector<ScoredPoint>> Searcher::search(const SearchQuery& query) const {
  if (query.exact && !state_.current()->index->keeps_vectors()) return exact_search_of_store(state_, query);
  for (int i = 0; i < kAttemptsBesideWriters; ++i) {
    ASSIGN_OR_RETURN(auto result, attempt(query));
    if (result) return *std::move(result);
  }
  return last_attempt(query);
}

Result<std::optional<std::vector<ScoredPoint>>> Searcher::attempt(const SearchQuery& query) const {
  RETURN_IF_ERROR(query.deadline.check());
  ASSIGN_OR_RETURN(const Pass pass, plan(query, false));
  ASSIGN_OR_RETURN(auto hits, find(pass, query));
  if (!hits) return std::optional<std::vector<ScoredPoint>>();
  const StageTimer timer(state_.metrics.stage_payload);
  ASSIGN_OR_RETURN(const std::size_t changed, complete(pass, query, *hits));
  if (changed > 0) return std::optional<std::vector<ScoredPoint>>();
  return std::optional(present(pass, query, *std::move(hits)));
}

Result<std::vector<ScoredPoint>> Searcher::last_attempt(const SearchQuery& query) const {
  RETURN_IF_ERROR(query.deadline.check());
  ASSIGN_OR_RETURN(Pass pass, plan(query, true));
  for (;;) {
    ASSIGN_OR_RETURN(auto hits, find(pass, query));
    const StageTimer timer(state_.metrics.stage_payload);
    const std::size_t found = hits->size();
    ASSIGN_OR_RETURN(const std::size_t changed, complete(pass, query, *hits));
    // What changed may have moved away: as many others are needed for its place.
    const bool all = found < pass.candidates;
    if (all || found - changed >= pass.want) return present(pass, query, *std::move(hits));
    pass.candidates = pass.want + 2 * changed;
  }
}

Result<Searcher::Pass> Searcher::plan(const SearchQuery& query, bool last) const {
  const StageTimer timer(state_.metrics.stage_plan);
  Pass pass;
  pass.want = query.limit + query.offset;
  pass.params.ef = query.ef.value_or(state_.ef_search);
  pass.params.rescore = query.rescore.value_or(state_.rescore);
  pass.params.exact = query.exact || last;  // after that nothing can be missing
  std::size_t live = 0;
  std::shared_lock lock(state_.table_mutex);
  pass.generation = state_.generation;
  pass.seen = pass.generation->table.slots();
  live = pass.generation->table.live_count();
  if (query.filter && !query.filter->empty()) {
    lock.unlock();
    ASSIGN_OR_RETURN(Matches matches, match_slots(state_, *pass.generation, *query.filter, query.deadline));
    lock = std::move(matches.lock);
    pass.seen = matches.seen;
    if (!last) lock.unlock();
    pass.plan = plan_filtered(std::move(matches.slots), live, pass.params.ef, pass.params.exact);
  }
  if (last) pass.still = std::move(lock);
  pass.ties_matter =
      pass.params.exact || pass.plan.kind == SearchPlan::Kind::kSlots || live <= state_.options.graph_threshold;
  pass.rescore = pass.params.rescore && !pass.generation->index->keeps_vectors();
  pass.candidates = pass.rescore ? rescored(pass.want) : pass.want;
  return pass;
}

Result<std::optional<std::vector<Searcher::Hit>>> Searcher::find(const Pass& pass, const SearchQuery& query) const {
  const StageTimer timer(state_.metrics.stage_index);
  if (pass.want == 0) return std::optional(std::vector<Hit>{});
  ASSIGN_OR_RETURN(auto neighbors, nearest(pass, query));
  return settle(pass, query, std::move(neighbors));
}

Result<std::vector<Neighbor>> Searcher::nearest(const Pass& pass, const SearchQuery& query) const {
  Wanted wanted{pass.candidates, pass.ties_matter, {}};
  if (pass.last()) {
    // The index may still have, or already, what the table has not.
    wanted.counts = [&](Slot slot) { return pass.generation->table.live(slot) != nullptr; };
  }
  return nearest_of_plan(*pass.generation->index, query, pass.params, pass.plan, pass.seen, wanted);
}

/// What came since the pass began. Call with table_mutex held.
Result<std::vector<Slot>> Searcher::fresh_slots(const Pass& pass, const SearchQuery& query) const {
  const SlotTable& table = pass.generation->table;
  std::vector<Slot> fresh;
  for (auto slot = static_cast<Slot>(pass.seen); slot < table.slots(); ++slot) {
    const SlotEntry* entry = table.live(slot);
    if (entry == nullptr) continue;
    if (pass.filtered()) {
      ASSIGN_OR_RETURN(const bool holds, slot_matches(state_, *entry, *query.filter));
      if (!holds) continue;
    }
    fresh.push_back(slot);
  }
  return fresh;
}

Result<std::optional<std::vector<Searcher::Hit>>> Searcher::settle(const Pass& pass, const SearchQuery& query,
                                                                   std::vector<Neighbor> neighbors) const {
  const SlotTable& table = pass.generation->table;
  std::shared_lock<std::shared_mutex> lock;
  if (!pass.last()) lock = std::shared_lock(state_.table_mutex);

  ASSIGN_OR_RETURN(const std::vector<Slot> fresh, fresh_slots(pass, query));
  std::erase_if(neighbors, [&](const Neighbor& hit) { return hit.slot >= pass.seen; });
  if (!fresh.empty()) {
    ASSIGN_OR_RETURN(const auto found, nearest_of_slots(*pass.generation->index, query, pass.params, fresh,
                                                        {pass.candidates, pass.ties_matter, {}}));
    neighbors.insert(neighbors.end(), found.begin(), found.end());
  }
  const auto alive = [&](Slot slot) { return table.live(slot) != nullptr; };
  std::erase_if(neighbors, [&](const Neighbor& hit) { return !alive(hit.slot); });
  if (neighbors.size() < pass.want && !pass.last()) {
    const auto& slots = pass.plan.slots;
    const std::size_t exist =
        pass.filtered() ? static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), alive)) + fresh.size()
                        : table.live_count();
    if (neighbors.size() < std::min(pass.want, exist)) return std::optional<std::vector<Hit>>();
  }
  // Cut before anything is made of them: with ties there can be as many as there are vectors.
  const auto count = static_cast<std::ptrdiff_t>(std::min(pass.candidates, neighbors.size()));
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

std::vector<Result<std::optional<storage::StoredPoint>>> Searcher::read(std::span<Hit* const> hits) const {
  std::vector<Result<std::optional<storage::StoredPoint>>> points;
  points.reserve(hits.size());
  std::vector<PointId> ids;
  ids.reserve(hits.size());
  for (const Hit* hit : hits) ids.push_back(hit->point.id);
  if (auto stored = state_.store->get_many(ids)) {
    for (auto& point : *stored) points.emplace_back(std::move(point));
  } else {
    for (const PointId& id : ids) points.push_back(state_.store->get(id));
  }
  return points;
}

Result<std::size_t> Searcher::complete(const Pass& pass, const SearchQuery& query, std::vector<Hit>& hits) const {
  const Projection& what = query.projection;
  const auto shows_stored = [&](const Hit& hit) {
    return what.with_vector || (what.with_payload && hit.payload_in_store);
  };
  std::vector<Hit*> wanting;
  for (Hit& hit : hits) {
    if (pass.rescore || shows_stored(hit)) wanting.push_back(&hit);
  }
  if (wanting.empty()) return std::size_t{0};
  std::vector<Result<std::optional<storage::StoredPoint>>> stored;
  index::ExactDistance exact(state_.options.collection.metric, query.vector);
  ReplySize size(what.max_bytes);
  std::size_t changed = 0;
  for (std::size_t at = 0; at < wanting.size(); ++at) {
    const std::size_t i = at % kReadAtOnce;
    if (i == 0) stored = read(std::span(wanting).subspan(at, std::min(kReadAtOnce, wanting.size() - at)));
    Hit& hit = *wanting[at];
    if (!stored[i]) {
      if (shows_stored(hit)) return std::move(stored[i]).error();
      continue;  // the distance of its code stands
    }
    std::optional<storage::StoredPoint>& found = *stored[i];
    const bool same = found && found->sequence == hit.sequence;
    if (!same && !pass.last()) return std::size_t{1};
    if (!same) {
      ++changed;
      hit.gone = !found || (pass.filtered() && !filter_matches(*query.filter, hit.point.id, found->point.payload));
      if (hit.gone) continue;
    }
    if (pass.rescore || !same) hit.distance = exact(found->point.vector);
    if (what.with_vector) hit.point.vector = std::move(found->point.vector);
    if (what.with_payload) hit.point.payload = std::move(found->point.payload);
    if (!size.add(hit.point)) return size.too_large();
  }
  std::erase_if(hits, [](const Hit& hit) { return hit.gone; });
  return changed;
}

std::vector<ScoredPoint> Searcher::present(const Pass& pass, const SearchQuery& query, std::vector<Hit> hits) const {
  const Metric metric = state_.options.collection.metric;
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.point.id < b.point.id;
  });
  if (hits.size() > pass.want) hits.resize(pass.want);
  std::vector<ScoredPoint> points;
  points.reserve(hits.size());
  for (Hit& hit : hits) {
    hit.point.score = index::score_of(metric, hit.distance);
    if (query.score_threshold && (larger_is_better(metric) ? hit.point.score < *query.score_threshold
                                                           : hit.point.score > *query.score_threshold)) {
      continue;
    }
    if (query.projection.with_payload && !query.projection.payload_keys.empty()) {
      hit.point.payload = project_payload(hit.point.payload, query.projection);
    }
    points.push_back(std::move(hit.point));
  }
  return points;
}

}  // namespace vectorizer::shard
