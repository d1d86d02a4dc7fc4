#include "slice_compare.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vectorizer::node {
namespace {

using peer::CopySlice;
using peer::SlicePoint;

/// Where a slice that was cut short ends, it says nothing of what follows.
bool beyond(const PointId& id, const CopySlice& slice) {
  return !slice.complete && slice.last && *slice.last < id;
}

/// What one copy has and the other should have.
bool same(const SlicePoint& ours, const SlicePoint& theirs, std::uint64_t theirs_applied) {
  if (ours.sequence == theirs.sequence) return ours.hash == theirs.hash;
  // A version from after the moment of the other slice is newer, and nothing else.
  return ours.sequence > theirs.sequence && ours.sequence > theirs_applied;
}

std::string held(const std::optional<SlicePoint>& point) {
  return point ? fmt::format("of operation {}, hash {:016x}", point->sequence, point->hash) : "not there";
}

}  // namespace

std::string PointDifference::text() const {
  return fmt::format("vector {} is {} at the primary and {} in this copy", id.to_json(), held(ours), held(theirs));
}

SliceComparison compare(const CopySlice& ours, const CopySlice& theirs, const std::vector<SlicePoint>& before,
                        std::uint64_t sequence_before) {
  SliceComparison result;
  if (ours.sequence < theirs.sequence) {
    result.too_early = true;
    return result;
  }
  const auto only_theirs = [&](const SlicePoint& point) {
    const bool was_there = std::find(before.begin(), before.end(), point) != before.end();
    const bool lost = ours.sequence == theirs.sequence || (was_there && theirs.sequence >= sequence_before);
    if (lost) {
      result.difference = {point.id, std::nullopt, point};
    } else {
      result.doubtful.push_back(point);
    }
  };
  auto our = ours.list.begin();
  auto their = theirs.list.begin();
  while (!result.difference && (our != ours.list.end() || their != theirs.list.end())) {
    const bool ours_first = their == theirs.list.end() || (our != ours.list.end() && our->id < their->id);
    const bool theirs_first = our == ours.list.end() || (their != theirs.list.end() && their->id < our->id);
    if (beyond(ours_first ? our->id : their->id, ours) || beyond(ours_first ? our->id : their->id, theirs)) break;
    if (ours_first) {
      if (our->sequence <= theirs.sequence) result.difference = {our->id, *our, std::nullopt};
      ++our;
    } else if (theirs_first) {
      only_theirs(*their++);
    } else {
      if (!same(*our, *their, theirs.sequence)) result.difference = {our->id, *our, *their};
      ++our;
      ++their;
    }
  }
  return result;
}

}  // namespace vectorizer::node
