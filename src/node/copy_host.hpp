#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "copy_opener.hpp"
#include "copy_registry.hpp"
#include "hosted_copy.hpp"
#include "incoming_checkpoints.hpp"
#include "maintenance.hpp"
#include "shard_tasks.hpp"
#include "vectorizer/base/published.hpp"
#include "vectorizer/node/local_node.hpp"
#include "vectorizer/replication/checkpoint_receiver.hpp"
#include "vectorizer/replication/heartbeat.hpp"

namespace vectorizer::node {

/// The copies of shards that this node has: makes those on disk, and those that are open, agree with the metadata, and
/// replaces one by a checkpoint of its primary. Thread-safe.
class CopyHost {
 public:
  /// @param heartbeat null on a single node. All outlive the host.
  CopyHost(const LocalNodeOptions& options, storage::Database& database, cluster::MetadataLog& metadata,
           replication::Heartbeat* heartbeat, MetricsRegistry& registry);
  ~CopyHost() { stop_fetching(); }

  /// @return whether it was done: not for metadata that is older than what was seen, nor while the disk cannot be read
  bool reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata);
  /// As LocalNode::follows.
  bool follows(std::uint64_t epoch, std::chrono::milliseconds timeout);

  /// An open copy; null for none.
  std::shared_ptr<const HostedCopy> find(const ShardId& shard) const;
  std::shared_ptr<const HostedCopies> open_copies() const { return copies_.get(); }
  std::shared_ptr<const Maintenance::Shards> shards() const { return shards_.get(); }
  /// The copies that the metadata gives this node and that could not be opened, as beats report them.
  std::vector<peer::CopyStatus> not_open() const;
  /// Why those of them could not that are damaged or lost.
  std::map<ShardId, std::string> not_open_because() const;
  /// As LocalNode::lose.
  void lose(std::vector<std::uint64_t> copies);
  /// What keeps it from opening what the metadata gives this node, one line each.
  std::vector<std::string> problems() const;
  /// As LocalNode::positions.
  std::vector<peer::CopyPosition> positions();
  const IncomingCheckpoints& incoming() const { return incoming_; }
  /// Held while the copies change: who holds it sees them stand still.
  std::mutex& changes() { return reconcile_mutex_; }

  /// Waits for the checkpoints that come in. Idempotent.
  void stop_fetching();
  /// Ends what works for the open copies; they can still be read. Idempotent.
  void close() const;

 private:
  static constexpr std::size_t kCheckpointsAtOnce = 2;

  using Hosted = std::shared_ptr<const HostedCopy>;

  /// Whether the metadata is older than the copy that is here: it says nothing of that shard.
  bool past(const cluster::ClusterMetadata& metadata, const ShardId& shard) const;
  /// The copy that the metadata gives to this disk.
  const cluster::CopyRecord* mine(const cluster::ShardPlacement& placement) const;
  Result<void> load_registry();
  void publish(HostedCopies copies);
  void close_unwanted(const cluster::ClusterMetadata& metadata, HostedCopies& copies) const;
  void open_wanted(const cluster::ClusterMetadata& metadata, HostedCopies& copies);
  Result<Hosted> open_copy(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement,
                           const cluster::CopyRecord& copy);
  void drop_unwanted(const cluster::ClusterMetadata& metadata);
  void remove_leftover_directories() const;
  void open_shards_led_here(const cluster::ClusterMetadata& metadata) const;
  void note(const ShardId& shard, std::string problem);

  void fetch_checkpoint(const ShardId& shard, std::uint64_t copy, const NodeId& primary, std::uint64_t term);
  void go_on_without_checkpoint(const ShardId& shard, std::uint64_t copy) const;
  replication::CheckpointTarget target_of(storage::CopyNumber number) const;
  Result<void> receive(const ShardId& shard, const NodeId& primary, std::uint64_t term, storage::CopyNumber number);
  Result<void> go_live(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number);

  const LocalNodeOptions& options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  shard::ShardMetrics shard_metrics_;
  CopyOpener opener_;

  std::mutex reconcile_mutex_;  // one reconciliation at a time; guards registry_ and what copies_ is set to
  std::optional<CopyRegistry> registry_;
  std::uint64_t reconciled_epoch_ = 0;

  std::mutex followed_mutex_;
  std::condition_variable followed_;  // followed_epoch_ has grown
  std::uint64_t followed_epoch_ = 0;  // guarded by followed_mutex_

  std::set<std::uint64_t> lost_;  // copies; guarded by reconcile_mutex_

  mutable std::mutex problems_mutex_;
  std::map<ShardId, std::string> problems_;       // guarded by problems_mutex_
  std::map<ShardId, peer::CopyStatus> not_open_;  // likewise
  std::string registry_problem_;                  // likewise; empty when there is none

  Published<HostedCopies> copies_;
  Published<Maintenance::Shards> shards_;
  IncomingCheckpoints incoming_;
  ShardTasks fetches_;  // checkpoints on their way to this node
};

}  // namespace vectorizer::node
