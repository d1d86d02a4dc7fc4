#pragma once

#include <map>
#include <optional>
#include <vector>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// What the leader knows of one node.
struct NodeObservation {
  bool dead = false;               ///< no lease of it can be valid
  std::optional<peer::Beat> beat;  ///< the last one in this time as leader
};

struct Observations {
  std::map<NodeId, NodeObservation> nodes;
  BootTime now{0};
  /// Members that have not beaten yet may still hold more of a shard than those that have: before this much time as
  /// leader nobody is given a shard while one of its in-sync copies is neither heard nor dead.
  bool settled = true;
};

/// What the leader of the metadata proposes to keep every shard led and fully copied:
///
/// - a node is unhealthy while it is dead, and active again when it beats;
/// - a shard whose primary is dead, wiped, failed, or does not take up its term gets a new term, led by the in-sync
/// copy
///   that holds most; without a live one it is led by nobody and waits (its data is not given up);
/// - a copy whose disk was wiped, or that is damaged, is dropped once another in-sync copy is live, and made again;
/// - a shard with fewer copies than its replication factor gets one on the node with the fewest.
///
/// A pure function but for `not_leading_since_`: a primary may need a moment to hear that it is one. One command per
/// shard and round; the next round sees what became of it. By one thread.
class RepairPlan {
 public:
  /// How long a live primary may take to lead the term that it was given.
  static constexpr std::chrono::milliseconds kTakeUpTime{1500};

  std::vector<cluster::MetadataCommand> next(const cluster::ClusterMetadata& metadata, const Observations& seen);
  /// This node became leader: what it remembers is of another time.
  void reset() { not_leading_since_.clear(); }

 private:
  bool needs_primary(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& shard,
                     const Observations& seen);

  std::map<ShardId, std::pair<std::uint64_t, BootTime>> not_leading_since_;  // term, since
};

}  // namespace vectorizer::control
