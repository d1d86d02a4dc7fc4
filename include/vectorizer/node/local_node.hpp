#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/replication/replica_group.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

/// What a node of a cluster needs to replicate its shards.
struct Replication {
  peer::ReplicationDirectory* peers = nullptr;             ///< the copies on other nodes; outlives the node
  peer::PeerDirectory* nodes = nullptr;                    ///< likewise; the scrub compares with nobody without it
  std::function<bool()> lease_valid;                       ///< this node may still acknowledge and answer as a primary
  std::string node_uuid;                                   ///< of this disk: copies of another one are not ours
  std::uint64_t recovery_bytes_per_second = 128ULL << 20;  ///< of checkpoints that come in, all together
  std::chrono::milliseconds scrub_interval{0};             ///< between two rounds over the shards led here; 0: none
  std::uint64_t scrub_bytes_per_second = 8ULL << 20;
  replication::ReplicationOptions options;
};

struct LocalNodeOptions {
  NodeId self;
  std::filesystem::path data_dir;
  std::uint32_t index_threads = 1;  ///< background indexing, compaction and saving
  std::uint32_t write_threads = 8;  ///< shards of one node that may sync a write at the same time
  std::uint32_t graph_threshold = 2000;
  std::uint32_t tail_limit = 200000;
  double compaction_threshold = 0.2;
  std::filesystem::path snapshot_dir;  ///< on the file system of data_dir; empty: <data_dir>/snapshots
  std::string version;                 ///< of the program, for the manifests of snapshots
  /// Writes what a node of a cluster keeps beside its database into a snapshot.
  std::function<Result<void>(const std::filesystem::path&)> save_membership;
  std::optional<Replication> replication;  ///< nothing on a single node: it writes its points at once, without a log
};

/// The shards that this process hosts. Opens, creates and drops copies as the metadata says, and keeps their indexes up
/// in the background.
///
/// A copy is created empty only while its role is kInit (nothing was written yet) or kRecovering (it will be filled). A
/// copy that the metadata calls in sync and the disk lacks is lost: it is reported, never created again.
class LocalNode : public peer::Peer, public peer::ReplicationPeer {
 public:
  /// Makes the copies on disk agree with the metadata; called for every new metadata. In a cluster it proposes changes
  /// and waits for them, so the caller must not be what delivers metadata. Thread-safe.
  virtual void reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) = 0;
  /// Waits until a reconciliation with the metadata of `epoch`, or of a later one, has ended; false if none does in
  /// time.
  virtual bool follows(std::uint64_t epoch, std::chrono::milliseconds timeout) = 0;
  /// What keeps this node from serving everything that the metadata gives it, or its shards from their background work,
  /// one line each; empty when nothing does.
  virtual std::vector<std::string> problems() const = 0;
  /// What its shards fail at in the background, and serve all the same; one line each.
  virtual std::vector<std::string> warnings() const = 0;
  /// Every copy that the metadata gives this node, for its beats to the leader.
  virtual std::vector<peer::CopyStatus> copies() const = 0;
  /// How far the logs of all copies on this disk are, before it is known which of them are wanted.
  virtual std::vector<peer::CopyPosition> positions() = 0;
  /// These copies are behind what this disk had said of them: they are not used while another one is in sync.
  virtual void lose(std::vector<std::uint64_t> copies) = 0;
  /// For how long the oldest thing that waits for the disk does: a disk that hangs gives no errors.
  virtual std::chrono::milliseconds longest_disk_wait() const = 0;
  /// Before a planned stop: gives the shards that are led here to other copies in sync, so that nobody waits for a
  /// lease to end. Whatever is not given away in time is taken over as if the node had failed.
  virtual void hand_over(std::chrono::milliseconds timeout) = 0;
  /// Stops the background work and saves the indexes. Idempotent; reads and writes still work afterwards.
  virtual void stop() = 0;
};

/// @param database, metadata, registry outlive the node.
std::unique_ptr<LocalNode> make_local_node(LocalNodeOptions options, storage::Database& database,
                                           cluster::MetadataLog& metadata, MetricsRegistry& registry);

}  // namespace vectorizer::node
