#pragma once

#include <algorithm>
#include <map>

#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/log_entry.hpp"

namespace vectorizer {

/// What a session has written: for each shard, of whatever collection, how far it must be for a read to see all of it.
using ShardPositions = std::map<ShardId, LogPosition>;

/// Takes the later of both for each shard.
inline void merge_positions(ShardPositions& into, const ShardPositions& from) {
  for (const auto& [shard, position] : from) {
    LogPosition& known = into[shard];
    known.term = std::max(known.term, position.term);
    known.sequence = std::max(known.sequence, position.sequence);
  }
}

}  // namespace vectorizer
