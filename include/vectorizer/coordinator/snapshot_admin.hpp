#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

struct SnapshotAdminOptions {
  NodeId self;
  std::size_t call_threads = 8;           ///< calls to other nodes at the same time; 0 on a single node
  std::chrono::milliseconds wait{30000};  ///< for a snapshot to be complete, or verified; then it goes on by itself
  std::chrono::seconds interval{0};       ///< of the schedule; 0 for none
  std::size_t keep = 7;                   ///< of those that the schedule made
};

/// What one node has of a snapshot.
struct NodeSnapshot {
  NodeId node;
  std::optional<peer::SnapshotInfo> info;  ///< nothing: `problem` says why
  std::string problem;
};

/// A snapshot of the cluster: of the same name on all nodes.
struct SnapshotView {
  std::string id;
  /// creating | complete | failed | verifying | damaged, the worst of all nodes; incomplete: some node that was asked
  /// for it does not have it, or does not answer
  std::string status;
  std::int64_t created_at_ms = 0;
  std::uint64_t bytes = 0, shared_bytes = 0;
  /// How far each shard is in the copy that is furthest: at least what was acknowledged before it was asked for.
  std::map<ShardId, peer::SnapshotPoint> points;
  std::vector<NodeSnapshot> nodes;
};

std::string_view snapshot_state_name(peer::SnapshotState state);

enum class SnapshotScope : std::uint8_t { kCluster, kNode };  ///< all nodes, or the one that is asked alone

/// Snapshots of the whole cluster, on all nodes at once. Thread-safe.
class SnapshotAdmin {
 public:
  virtual ~SnapshotAdmin() = default;

  /// Returns when it is complete, or after `wait` while it is being made. It holds everything that was acknowledged
  /// before the call; if some shard's primary cannot take part, nothing is left of it.
  /// @param name nothing: one is made up
  virtual Result<SnapshotView> create(const std::optional<std::string>& name, SnapshotScope scope) = 0;
  virtual std::vector<SnapshotView> list(SnapshotScope scope) = 0;
  virtual Result<SnapshotView> get(const std::string& name, SnapshotScope scope) = 0;
  /// Compares every file with its checksum, on every node; returns as create does.
  virtual Result<SnapshotView> verify(const std::string& name, SnapshotScope scope) = 0;
  virtual Result<void> remove(const std::string& name, SnapshotScope scope) = 0;
  /// Ends the schedule. Idempotent.
  virtual void stop() = 0;
};

/// @param metadata, peers outlive it
std::unique_ptr<SnapshotAdmin> make_snapshot_admin(SnapshotAdminOptions options, cluster::MetadataLog& metadata,
                                                   peer::PeerDirectory& peers);

}  // namespace vectorizer::coordinator
