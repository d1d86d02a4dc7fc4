#include "observations.hpp"

#include <algorithm>

namespace vectorizer::control {

bool dead(const Observations& seen, const NodeId& node) {
  const auto found = seen.nodes.find(node);
  return found == seen.nodes.end() || found->second.dead;
}

const peer::Beat* beat_of(const Observations& seen, const NodeId& node) {
  const auto found = seen.nodes.find(node);
  return found == seen.nodes.end() || !found->second.beat ? nullptr : &*found->second.beat;
}

const peer::CopyStatus* status_of(const Observations& seen, const cluster::CopyRecord& copy) {
  const auto* beat = beat_of(seen, copy.node);
  if (beat == nullptr) return nullptr;
  const auto found = std::find_if(beat->copies.begin(), beat->copies.end(),
                                  [&](const peer::CopyStatus& status) { return status.copy == copy.id; });
  return found == beat->copies.end() ? nullptr : &*found;
}

bool failed(const Observations& seen, const cluster::CopyRecord& copy) {
  const auto* status = status_of(seen, copy);
  return status != nullptr && status->failed;
}

bool good(const cluster::ClusterMetadata& metadata, const cluster::CopyRecord& copy, const Observations& seen) {
  return copy.role == cluster::CopyRole::kInSync && metadata.live(copy) && !dead(seen, copy.node) &&
         !failed(seen, copy);
}

std::size_t good_copies(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& shard,
                        const Observations& seen) {
  return static_cast<std::size_t>(std::count_if(shard.copies.begin(), shard.copies.end(),
                                                [&](const auto& copy) { return good(metadata, copy, seen); }));
}

}  // namespace vectorizer::control
