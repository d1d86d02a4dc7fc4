#include "point_reader.hpp"

#include "matcher.hpp"
#include "payload_edit.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::shard {
namespace {

/// Points that are read before their size is looked at.
constexpr std::size_t kReadAtOnce = 64;

Point projected(Point&& point, const Projection& what) {
  if (!what.with_vector) point.vector = {};
  if (!what.with_payload) {
    point.payload = {};
  } else if (!what.payload_keys.empty()) {
    point.payload = project_payload(point.payload, what);
  }
  return std::move(point);
}

}  // namespace

Result<std::vector<std::optional<Point>>> PointReader::get(std::span<const PointId> ids, const Projection& what) const {
  std::vector<std::optional<Point>> points;
  points.reserve(ids.size());
  ReplySize size(what.max_bytes);
  while (!ids.empty()) {
    const auto chunk = ids.first(std::min(ids.size(), kReadAtOnce));
    ids = ids.subspan(chunk.size());
    ASSIGN_OR_RETURN(auto stored, state_.store->get_many(chunk));
    for (auto& found : stored) {
      auto& point = points.emplace_back();
      if (!found) continue;
      point = projected(std::move(found->point), what);
      if (!size.add(*point)) return size.too_large();
    }
  }
  return points;
}

Result<ScrollPage> PointReader::scroll(const ScrollQuery& query) const {
  return query.filter && !query.filter->empty() ? scroll_filtered(query) : scroll_all(query);
}

Result<ScrollPage> PointReader::scroll_all(const ScrollQuery& query) const {
  ScrollPage page;
  ReplySize size(query.projection.max_bytes);
  RETURN_IF_ERROR(state_.store->scan(query.after, [&](storage::StoredPoint&& stored) {
    Point point = projected(std::move(stored.point), query.projection);
    if (page.points.size() == query.limit || (!size.add(point) && !page.points.empty())) {
      page.complete = false;
      return false;
    }
    page.points.push_back(std::move(point));
    return true;
  }));
  return page;
}

Result<ScrollPage> PointReader::scroll_filtered(const ScrollQuery& query) const {
  ScrollPage page;
  ReplySize size(query.projection.max_bytes);
  std::optional<PointId> after = query.after;
  for (;;) {
    const std::size_t wanted = query.limit - page.points.size();
    ASSIGN_OR_RETURN(auto ids, matching(*query.filter, after, wanted + 1));
    page.complete = ids.size() <= wanted;
    if (!page.complete) ids.pop_back();
    if (ids.empty()) return page;
    for (std::span<const PointId> rest(ids); !rest.empty();) {
      const auto chunk = rest.first(std::min(rest.size(), kReadAtOnce));
      rest = rest.subspan(chunk.size());
      ASSIGN_OR_RETURN(auto stored, state_.store->get_many(chunk));
      for (auto& found : stored) {
        // Deleted or changed since the index was asked: what the store says counts.
        if (!found || !filter_matches(*query.filter, found->point.id, found->point.payload)) continue;
        Point point = projected(std::move(found->point), query.projection);
        if (!size.add(point) && !page.points.empty()) {
          page.complete = false;
          return page;
        }
        page.points.push_back(std::move(point));
      }
    }
    if (page.complete || page.points.size() == query.limit) return page;
    after = ids.back();  // some fell out: fill the page
  }
}

Result<std::uint64_t> PointReader::count(const std::optional<Filter>& filter) const {
  if (filter && !filter->empty()) {
    ASSIGN_OR_RETURN(const Matches matches, match_slots(state_, *state_.current(), *filter));
    return std::uint64_t{matches.slots.size()};
  }
  const std::shared_lock lock(state_.table_mutex);
  return std::uint64_t{state_.generation->table.live_count()};
}

Result<std::vector<PointId>> PointReader::matching(const Filter& filter, const std::optional<PointId>& after,
                                                   std::size_t limit) const {
  return cursors_.matching(filter, after, limit);
}

}  // namespace vectorizer::shard
