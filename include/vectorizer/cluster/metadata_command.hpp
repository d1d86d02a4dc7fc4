#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

// The cluster and its members.

/// The first command of a cluster. The same one again changes nothing; another cluster_id is refused.
struct InitCluster {
  std::string cluster_id;
  std::uint32_t expected_nodes = 1;
};
/// Adds a member with the status that the record has, or updates what a known one says of itself; its status stays.
/// A record with another raft_id (an empty disk under a known id) takes the place only of a removed member, or of the
/// one whose raft_id is `replaces`; the copies of the old disk stay in the placements until they are dropped.
struct UpsertNode {
  NodeRecord node;
  std::uint64_t replaces = 0;
};
/// One step of NodeStatus for the incarnation `raft_id`, if its status still is `from`; to kRemoved is RemoveNode.
struct SetNodeStatus {
  NodeId node;
  std::uint64_t raft_id = 0;
  NodeStatus from = NodeStatus::kJoining;
  NodeStatus to = NodeStatus::kActive;
};
/// Refused while it holds copies, unless forced. Of a node that was added and has never joined nothing is left.
struct RemoveNode {
  NodeId node;
  std::uint64_t raft_id = 0;
  bool force = false;
};
/// All expected members have joined. Holds for ever.
struct Formed {};
/// Every member knows this protocol: it is spoken from now on. Repeated, it changes nothing.
struct RaiseProtocol {
  std::uint32_t to = 0;
};

// Collections.

/// Allocates shard and copy ids and places the copies on active nodes; the name must be free. A replication_factor of 0
/// stands for min(2, active nodes), a min_in_sync of 0 for a majority of three or more copies and for 1 of fewer.
struct CreateCollection {
  CollectionConfig config;
  std::int64_t created_at_ms = 0;
};
/// Replaces the configuration of a collection if it still is `expected` (compare and set). Moves no copy.
struct AlterCollection {
  CollectionConfig expected;
  CollectionConfig wanted;
};
struct DropCollection {
  std::string name;
};

// Shards. Each command names the (term, isr_version) that its proposer saw; at any other it is refused with the current
// state. Each that succeeds adds 1 to isr_version, so that of two rivals one wins, and an unknown outcome can be
// settled.

/// A node has created its empty copy of a shard in role kInit: the copy joins the in-sync set. When the primary joins,
/// the shard is open, and copies that are still kInit become kRecovering.
struct OpenCopy {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  NodeId node;
};
/// A new term, led by a node whose copy is in sync (by any with a kInit copy while none is: nothing was written yet),
/// or by nobody when the id is empty. The present primary may be promoted again: it restarted.
struct Promote {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  NodeId new_primary;
};
/// A copy leaves the in-sync set and becomes kStale; never the primary's, and not without a primary.
struct ShrinkIsr {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  std::uint64_t copy = 0;
};
/// A kRecovering or kStale copy holds all that is committed, and the primary already requires it: it joins.
struct GrowIsr {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  std::uint64_t copy = 0;
};
/// A new copy on an active node that has none: kRecovering, or kInit while no copy is in sync.
struct AllocateCopy {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  NodeId node;
};
/// A copy leaves the placement, and its node deletes it. Never the primary's; any other only while another copy in sync
/// is live, or before any was in sync.
struct DropCopy {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  std::uint64_t copy = 0;
};
/// Changes nothing but the version: settles what became of an earlier command whose outcome is unknown.
struct BumpIsr {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
};
/// An operator accepts the loss of what the copy on `node` lacks: it leads a new term alone. Only without a primary.
/// The other copies leave the placement.
struct AllocateStale {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  NodeId node;
};
/// An operator accepts the loss of the whole shard: it starts again with one empty copy on `node`, in kInit and in a
/// new term. Only without a primary.
struct AllocateEmpty {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;
  NodeId node;
};

// Moves of copies between nodes. The record says what is wanted; the copies themselves change by the commands above.

/// Records moves, in the order in which they are to be made; all of them, or none.
struct StartMoves {
  std::vector<PlannedMove> moves;
  MoveCause cause = MoveCause::kRebalance;
  std::int64_t at_ms = 0;
};
/// What a move has made is to be taken back. Refused once the target has taken over.
struct CancelMove {
  std::uint64_t id = 0;
};
/// A move is kDone, kFailed or kCancelled.
struct EndMove {
  std::uint64_t id = 0;
  MoveState outcome = MoveState::kDone;
  std::string note;
  std::int64_t at_ms = 0;
};

using MetadataCommand =
    std::variant<UpsertNode, CreateCollection, AlterCollection, DropCollection, OpenCopy, InitCluster, SetNodeStatus,
                 RemoveNode, Formed, Promote, ShrinkIsr, GrowIsr, AllocateCopy, DropCopy, BumpIsr, AllocateStale,
                 AllocateEmpty, StartMoves, CancelMove, EndMove, RaiseProtocol>;

/// The whole control plane as one pure function: the metadata after `command`, or why it is refused.
Result<ClusterMetadata> apply(const ClusterMetadata& metadata, const MetadataCommand& command);

/// "promote", "create_collection", ...: the name in the encoded form, in logs and in tests.
std::string_view command_name(const MetadataCommand& command);

/// The form in the log and between nodes: a versioned JSON object. A version or kind that this build does not know is
/// an error that names it.
std::string encode_command(const MetadataCommand& command);
Result<MetadataCommand> decode_command(std::string_view bytes);

}  // namespace vectorizer::cluster
