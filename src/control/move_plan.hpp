#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "observations.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::control {

struct MoveLimits {
  std::size_t at_once = 4;   ///< copies that are being made for moves, in the cluster
  std::size_t per_node = 2;  ///< of them, those that one node takes part in
};

/// What the leader of the metadata proposes to make the moves that the metadata records, one step of each at a time:
///
///   a copy on the target -> (its primary fills it) -> in sync -> (a primary that is the source hands over) ->
///   the source's copy goes -> done
///
/// The source's copy goes only when as many others as the collection wants are in sync and live. A target that fails
/// ends the move, and what it has made is surplus; a node that drains gets another move then. Copies beyond the
/// replication factor that no move is about go as well, and a draining node that holds nothing leaves.
///
/// A pure function but for `waiting_since_`. By one thread.
class MovePlan {
 public:
  /// How long the role of primary may take to move.
  static constexpr std::chrono::seconds kHandoverTime{60};
  /// After a move of a draining node has failed, before another one is tried for the shard.
  static constexpr std::chrono::seconds kDrainAgain{5};

  explicit MovePlan(MoveLimits limits) : limits_(limits) {}

  /// @param busy shards that another plan changes in this round
  std::vector<cluster::MetadataCommand> next(const cluster::ClusterMetadata& metadata, const Observations& seen,
                                             const std::set<ShardId>& busy, std::int64_t wall_ms);
  /// This node became leader: what it remembers is of another time.
  void reset() { waiting_since_.clear(); }

 private:
  const MoveLimits limits_;
  std::map<std::uint64_t, BootTime> waiting_since_;  // by migration: a handover of the role alone
};

/// Says once, after each change of the set of active nodes, that the cluster should be made even: when nothing else has
/// changed it for a while, everything is fully copied and nothing moves. By one thread.
class RebalanceTrigger {
 public:
  /// @param after 0 for never
  explicit RebalanceTrigger(std::chrono::milliseconds after) : after_(after) {}
  bool due(const cluster::ClusterMetadata& metadata, const Observations& seen);
  void reset() { *this = RebalanceTrigger(after_); }

 private:
  std::chrono::milliseconds after_;
  std::vector<NodeId> active_;
  BootTime since_{0};
  bool armed_ = false;
};

}  // namespace vectorizer::control
