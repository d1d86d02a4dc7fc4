#pragma once

#include <string>
#include <unordered_map>

#include "bitmap.hpp"
#include "path_index.hpp"

namespace vectorizer::payload {

/// What a PayloadIndex holds, as its filters see it.
struct IndexState {
  std::unordered_map<std::string, PathIndex> paths;  ///< by format_payload_path; never shrinks
  bool untracked = false;                            ///< some payload had a path past the budget
  Bitmap all;                                        ///< the slots that were added and not removed
  std::unordered_map<std::uint64_t, Slot> numbers;   ///< points by integer id
  std::unordered_map<std::string, Slot> texts;       ///< points by text id
};

/// The slots of `state` for which `filter` holds, as tightly as the index can tell.
Bounds bounds_of(const Filter& filter, const IndexState& state);

}  // namespace vectorizer::payload
