#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/shard_stats.hpp"

namespace vectorizer::coordinator {

struct NodeView {
  NodeId id;
  std::string address;
  std::uint16_t grpc_port = 0, rest_port = 0;
  std::string status;                               ///< active | unhealthy | joining | draining | removed
  std::string role;                                 ///< leader | follower
  std::uint64_t shard_count = 0, vector_count = 0;  ///< of the shards that it leads
  std::optional<std::int64_t> last_seen_ms;         ///< since the epoch; nothing if nobody has heard of it
  std::string version;
  std::optional<std::uint64_t> servers_hash;  ///< of its configured list of servers; of a cluster only
  std::vector<ShardId> shards;                ///< of which it holds a copy
  std::optional<double> uptime_seconds;       ///< of one node only; nothing if it does not answer
  std::string problem;                        ///< why a node that was added has not joined yet
};

/// A shard, with the state of its primary's copy, or of another one in sync if that does not answer.
struct ShardView : ShardStats {
  ShardId id;
  std::string collection;
  NodeId primary;
  std::vector<NodeId> replicas, in_sync;
  std::uint64_t term = 0;
};

/// One copy of a shard.
struct CopyView : ShardStats {
  NodeId node;
  bool primary = false;
  std::string role;       ///< init | recovering | in_sync | stale
  bool answered = false;  ///< its node has reported it: the statistics are true
  /// Of what it holds as of `digest_sequence`; empty if it was not asked for or could not be made.
  std::string digest;
  std::uint64_t digest_sequence = 0;
  std::string digest_problem;
};
struct ShardDetail : ShardView {
  std::vector<CopyView> copies;
  /// Whether all copies in sync hold the same; nothing when that is not known.
  std::optional<bool> copies_equal;
};

/// A move of a copy, or of the role of primary alone (`lead`).
struct Migration {
  std::optional<std::uint64_t> id;  ///< nothing for one that is only planned, or cannot be
  ShardId shard;
  std::string collection;  ///< empty once it was dropped
  NodeId from, to;         ///< `to` is empty where nobody can take it
  bool lead = false;
  std::string cause;  ///< rebalance | drain
  /// planned | blocked | waiting | copying | handing_over | finishing | cancelling | done | failed | cancelled
  std::string state;
  std::string note;  ///< why it is blocked, or ended so
  std::uint64_t vectors_done = 0, vectors_total = 0;
  std::uint64_t bytes_done = 0, bytes_total = 0;  ///< of a checkpoint, as far as known
  std::optional<double> eta_seconds;
  std::int64_t started_ms = 0, ended_ms = 0;  ///< since the epoch; 0 for not yet
};

/// What is gone with a node that is removed by force.
struct LostShard {
  ShardId shard;
  std::string collection;
  std::vector<NodeId> older_copies;  ///< nodes with a copy that lacks some of what was acknowledged
};
struct NodeRemoval {
  std::vector<Migration> migrations;
  std::vector<LostShard> lost;
  std::string note;  ///< what a client should know who counts on the cluster that is left
};

/// What one node holds of the metadata now; nothing of one that did not answer.
struct NodeSync {
  NodeId node;
  std::optional<std::uint64_t> version;
  std::string digest;
  std::string problem;
};

/// What the metadata says of the state of all shards: asks nobody.
struct ShardCounts {
  std::uint64_t total = 0;
  std::uint64_t without_primary = 0;   ///< nobody that is alive leads them
  std::uint64_t under_replicated = 0;  ///< fewer live copies in sync than the collection wants
};

/// A copy that its node does not use, or that is being made again in its place.
struct QuarantinedCopy {
  ShardId shard;
  NodeId node;
  std::string reason;
};

struct ClusterStatus {
  std::string light;  ///< green | yellow | red
  ShardCounts shards;
  std::size_t nodes = 0, active_nodes = 0;  ///< without removed ones
  NodeId leader;
  std::uint64_t term = 0, epoch = 0;
  bool formed = true;
  std::vector<NodeId> other_lists;           ///< nodes whose configured servers are not those of this node
  std::vector<QuarantinedCopy> quarantined;  ///< damaged, or unlike the others
  std::vector<std::string> notes;            ///< what an operator should know, one line each
};

/// What the cluster endpoints, /stats and the metrics show. Thread-safe; a node that hangs delays an answer by a second
/// or two, never more.
class ClusterView {
 public:
  virtual ~ClusterView() = default;
  virtual NodeId self() const = 0;
  /// A single node, which asks nobody.
  virtual bool alone() const = 0;
  virtual NodeId leader() const = 0;
  virtual std::vector<NodeView> nodes() const = 0;
  /// With its uptime. node_not_found.
  virtual Result<NodeView> node(const NodeId& id) const = 0;
  virtual std::vector<ShardView> shards() const = 0;
  /// The copies of this node, each with its own state. Asks no other node.
  virtual std::vector<ShardView> local_shards() const = 0;
  /// not_found. @param with_digests reads every copy whole
  virtual Result<ShardDetail> shard(const ShardId& id, bool with_digests) const = 0;
  virtual ClusterStatus status() const = 0;
  virtual ShardCounts shard_counts() const = 0;
  /// Asks every member now.
  virtual std::vector<NodeSync> sync() const = 0;
  virtual std::uint64_t metadata_version() const = 0;
  virtual std::vector<std::string> collection_names() const = 0;
  /// Empty when ready; else what is not, one line each (also while draining).
  virtual std::vector<std::string> not_ready() const = 0;
  /// What is unsafe in how this node is set up, or fails without harm; one line each.
  virtual std::vector<std::string> warnings() const = 0;
  /// What a client should know who counts on this cluster; empty when nothing.
  virtual std::string note() const = 0;

  /// Records a node, which the leader then calls. node_already_exists; conflict if it belongs to another cluster.
  virtual Result<NodeView> add_node(const NodeView& node) = 0;
  /// Begins to drain a node; by force, removes one that is gone for good. validation_error for the last node; conflict
  /// when the others cannot hold all copies, or by force while it is there.
  virtual Result<NodeRemoval> remove_node(const NodeId& node, bool force) = 0;
  /// conflict for a node that does not drain.
  virtual Result<void> cancel_drain(const NodeId& node) = 0;
  /// What moves until the shards are even; `force` also for differences of size below the threshold.
  virtual Result<std::vector<Migration>> rebalance(bool force, bool dry_run) = 0;
  /// What moves now, what would have to and cannot, and what moved last.
  virtual std::vector<Migration> migrations() const = 0;
  /// not_found; conflict once it has ended, or the target has taken over.
  virtual Result<void> cancel_migration(std::uint64_t id) = 0;
  /// An operator accepts what is lost: a shard without a primary is led by the copy on `node` as it is, or begins again
  /// with nothing (`empty`). conflict while it has a primary.
  virtual Result<void> allocate(const ShardId& shard, const NodeId& node, bool empty) = 0;
};

}  // namespace vectorizer::coordinator
