#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vectorizer {

/// What a copy of a shard says of itself: from the shard, through its node, to the cluster's view.
struct ShardStats {
  std::uint64_t vectors = 0;
  std::uint64_t indexed = 0;  ///< vectors that do not wait for the graph
  std::uint64_t pending = 0;  ///< vectors in the exact tail that wait for it
  double oldest_pending_seconds = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t code_bytes = 0, graph_bytes = 0, vector_bytes = 0, payload_bytes = 0;
  std::uint64_t sequence = 0;  ///< of the last operation that it has applied
  std::vector<std::string> indexed_paths;
  std::string problem;  ///< what background work fails at, again and again; empty when nothing
};

}  // namespace vectorizer
