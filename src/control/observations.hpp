#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// What the leader knows of one node.
struct NodeObservation {
  bool dead = false;               ///< no lease of it can be valid
  std::optional<peer::Beat> beat;  ///< the last one in this time as leader
  BootTime silence{0};             ///< since its last lease, or since this leader's election
};

struct Observations {
  std::map<NodeId, NodeObservation> nodes;
  BootTime now{0};
  /// Members that have not beaten yet may still hold more of a shard than those that have: before this much time as
  /// leader nobody is given a shard while one of its in-sync copies is neither heard nor dead.
  bool settled = true;
};

bool dead(const Observations& seen, const NodeId& node);
const peer::Beat* beat_of(const Observations& seen, const NodeId& node);
/// What the node of a copy last said of it; null for nothing.
const peer::CopyStatus* status_of(const Observations& seen, const cluster::CopyRecord& copy);
bool failed(const Observations& seen, const cluster::CopyRecord& copy);
/// In sync, on a node that is there, and undamaged: it holds the data if all others are gone.
bool good(const cluster::ClusterMetadata& metadata, const cluster::CopyRecord& copy, const Observations& seen);
std::size_t good_copies(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& shard,
                        const Observations& seen);

}  // namespace vectorizer::control
