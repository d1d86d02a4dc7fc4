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
  /// Points by id. One that is being updated has two slots until the old one is removed.
  std::unordered_multimap<std::uint64_t, Slot> numbers;
  std::unordered_multimap<std::string, Slot> texts;
};

/// The slots of `state` for which `filter` holds, as tightly as the index can tell.
Bounds bounds_of(const Filter& filter, const IndexState& state);

}  // namespace vectorizer::payload
