#include "store_scan.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "matcher.hpp"
#include "payload_edit.hpp"
#include "vectorizer/index/exact_distance.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::shard {
namespace {

/// Points that are read between two looks at the clock.
constexpr std::size_t kAtOnce = 256;

/// The nearest points of what is offered, ties by id.
class NearestPoints {
 public:
  NearestPoints(const ShardState& state, const SearchQuery& query)
      : metric_(state.options.collection.metric), query_(query), exact_(metric_, query.vector) {}

  void offer(Point&& point) {
    const float distance = exact_(point.vector);
    const std::size_t limit = query_.limit + query_.offset;
    if (found_.size() == limit) {
      if (limit == 0 || !nearer(distance, point.id, found_.front())) return;
      std::pop_heap(found_.begin(), found_.end(), by_nearness);
      bytes_ -= bytes_of(found_.back().point);
      found_.pop_back();
    }
    if (!query_.projection.with_vector) point.vector = {};
    if (!query_.projection.with_payload) point.payload = {};
    bytes_ += bytes_of(point);
    found_.push_back({distance, std::move(point)});
    std::push_heap(found_.begin(), found_.end(), by_nearness);
  }

  bool fit() const { return bytes_ <= query_.projection.max_bytes; }

  std::vector<ScoredPoint> take() {
    std::sort_heap(found_.begin(), found_.end(), by_nearness);
    std::vector<ScoredPoint> points;
    points.reserve(found_.size());
    for (Found& found : found_) {
      const float score = index::score_of(metric_, found.distance);
      if (query_.score_threshold &&
          (larger_is_better(metric_) ? score < *query_.score_threshold : score > *query_.score_threshold)) {
        break;
      }
      Point& point = found.point;
      if (!query_.projection.payload_keys.empty()) point.payload = project_payload(point.payload, query_.projection);
      points.push_back({std::move(point.id), score, std::move(point.payload), std::move(point.vector)});
    }
    return points;
  }

 private:
  struct Found {
    float distance;
    Point point;
  };
  static std::uint64_t bytes_of(const Point& point) { return reply_bytes(point.payload.size(), point.vector.size()); }
  static bool nearer(float distance, const PointId& id, const Found& other) {
    return distance != other.distance ? distance < other.distance : id < other.point.id;
  }
  static bool by_nearness(const Found& a, const Found& b) { return nearer(a.distance, a.point.id, b); }

  const Metric metric_;
  const SearchQuery& query_;
  index::ExactDistance exact_;
  std::vector<Found> found_;
  std::uint64_t bytes_ = 0;  // of found_, in a reply
};

Result<std::vector<PointId>> matching_ids(const ShardState& state, const SearchQuery& query) {
  const std::shared_ptr<Generation> generation = state.current();
  ASSIGN_OR_RETURN(const Matches matches, match_slots(state, *generation, *query.filter, query.deadline));
  std::vector<PointId> ids;
  ids.reserve(matches.slots.size());
  for (const Slot slot : matches.slots) ids.push_back(generation->table.live(slot)->id);
  return ids;
}

}  // namespace

Result<std::vector<ScoredPoint>> exact_search_of_store(const ShardState& state, const SearchQuery& query) {
  NearestPoints nearest(state, query);
  if (!query.filter || query.filter->empty()) {
    std::size_t read = 0;
    bool late = false;
    RETURN_IF_ERROR(state.store->scan(std::nullopt, [&](storage::StoredPoint&& stored) {
      late = ++read % kAtOnce == 0 && query.deadline.passed();
      if (!late) nearest.offer(std::move(stored.point));
      return !late && nearest.fit();
    }));
    if (late) return query.deadline.error();
    if (!nearest.fit()) return ReplySize(query.projection.max_bytes).too_large();
    return nearest.take();
  }
  ASSIGN_OR_RETURN(const std::vector<PointId> ids, matching_ids(state, query));
  std::span<const PointId> rest(ids);
  while (!rest.empty()) {
    RETURN_IF_ERROR(query.deadline.check());
    const auto chunk = rest.first(std::min(rest.size(), kAtOnce));
    rest = rest.subspan(chunk.size());
    ASSIGN_OR_RETURN(auto stored, state.store->get_many(chunk));
    for (auto& point : stored) {
      // Changed since the index was asked: what the store says counts.
      if (!point || !filter_matches(*query.filter, point->point.id, point->point.payload)) continue;
      nearest.offer(std::move(point->point));
    }
    if (!nearest.fit()) return ReplySize(query.projection.max_bytes).too_large();
  }
  return nearest.take();
}

}  // namespace vectorizer::shard
