#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/peer/peer.hpp"

namespace vectorizer::node {

/// A point that two copies do not hold alike: what each has of it, nothing where it has none.
struct PointDifference {
  PointId id;
  std::optional<peer::SlicePoint> ours, theirs;

  std::string text() const;
};

/// What the same slice of two copies says, read while both are written to. What is applied up to one sequence is the
/// same everywhere, so that a difference that no later write explains is none of time.
struct SliceComparison {
  std::optional<PointDifference> difference;  ///< the first that is certain
  /// Points that only the other copy has: dropped here after the moment of its slice, or lost here. It still has them
  /// in a slice of a later moment than ours if they were lost.
  std::vector<peer::SlicePoint> doubtful;
  /// Ours is of an earlier moment than theirs: it says nothing, read it again.
  bool too_early = false;
};

/// @param ours, theirs listed; ours was read after theirs
/// @param before of the comparison before this one, and the sequence that ours had then; empty for the first
SliceComparison compare(const peer::CopySlice& ours, const peer::CopySlice& theirs,
                        const std::vector<peer::SlicePoint>& before, std::uint64_t sequence_before);

}  // namespace vectorizer::node
