#pragma once

#include <optional>
#include <span>
#include <vector>

#include "match_cursor.hpp"
#include "shard_state.hpp"

namespace vectorizer::shard {

/// get, scroll, count: the store is the truth; a filter goes through the payload index.
class PointReader {
 public:
  explicit PointReader(const ShardState& state) : state_(state), cursors_(state) {}

  Result<std::vector<std::optional<Point>>> get(std::span<const PointId> ids, const Projection& what) const;
  Result<ScrollPage> scroll(const ScrollQuery& query) const;
  Result<std::uint64_t> count(const std::optional<Filter>& filter) const;
  Result<std::vector<PointId>> matching(const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) const;
  /// Gives back what readers who did not come back have left.
  void forget_idle() const { cursors_.forget_idle(); }

 private:
  Result<ScrollPage> scroll_all(const ScrollQuery& query) const;
  Result<ScrollPage> scroll_filtered(const ScrollQuery& query) const;

  const ShardState& state_;
  mutable MatchCursors cursors_;
};

}  // namespace vectorizer::shard
