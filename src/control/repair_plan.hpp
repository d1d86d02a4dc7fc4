#pragma once

#include <map>
#include <optional>
#include <vector>

#include "observations.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::control {

/// What the leader of the metadata proposes to keep every shard led and fully copied:
///
/// - a node is unhealthy while it is dead, and active again when it beats;
/// - a shard whose primary is dead, wiped, failed, or does not take up its term gets a new term, led by the in-sync
/// copy
///   that holds most; without a live one it is led by nobody and waits (its data is not given up);
/// - a copy whose disk was wiped, or that is damaged, is dropped once another in-sync copy is live, and made again;
/// - a shard with fewer copies than its replication factor gets one on the node with the fewest; a copy on a node that
///   has been silent for `replace_after`, or that a move takes away, does not count.
///
/// A pure function but for `not_leading_since_`: a primary may need a moment to hear that it is one. One command per
/// shard and round; the next round sees what became of it. By one thread.
class RepairPlan {
 public:
  /// How long a live primary may take to lead the term that it was given.
  static constexpr std::chrono::milliseconds kTakeUpTime{1500};

  /// @param replace_after 0 for never
  explicit RepairPlan(std::chrono::milliseconds replace_after = std::chrono::milliseconds(0))
      : replace_after_(replace_after) {}

  std::vector<cluster::MetadataCommand> next(const cluster::ClusterMetadata& metadata, const Observations& seen);
  /// This node became leader: what it remembers is of another time.
  void reset() { not_leading_since_.clear(); }

 private:
  bool needs_primary(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& shard,
                     const Observations& seen);

  std::chrono::milliseconds replace_after_;
  std::map<ShardId, std::pair<std::uint64_t, BootTime>> not_leading_since_;  // term, since
};

}  // namespace vectorizer::control
