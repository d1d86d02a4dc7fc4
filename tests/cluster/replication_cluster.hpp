#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/event_loop.hpp"
#include "cluster/history.hpp"
#include "group_core.hpp"
#include "testing/memory_database.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/replication/checkpoint_receiver.hpp"

namespace vectorizer::testing {

using replication::GroupCore;
using replication::ProposalResult;

struct Faults {
  double drop = 0;
  double duplicate = 0;
  double slow = 0;           ///< a message takes up to a second
  double lost_proposal = 0;  ///< of a change of the in-sync set, or of its answer
  double failed_append = 0;
};

/// Copies of one shard on a few nodes, with a network, disks, a metadata log and a leader that promotes, all driven by
/// one event loop. Every promise of replication is checked as it runs.
class ReplicationCluster {
 public:
  static constexpr milliseconds kLease{2700}, kLeaseGrant{3000}, kCallTimeout{600};

  ReplicationCluster(std::uint64_t seed, std::size_t nodes, std::uint32_t copies, std::uint32_t min_in_sync);
  ~ReplicationCluster();

  EventLoop& loop() { return loop_; }
  History& history() { return history_; }
  Faults& faults() { return faults_; }
  replication::ReplicationOptions& options() { return options_; }

  const cluster::ShardPlacement& placement() const { return metadata_.placements.begin()->second; }
  /// Applies a command as the metadata does, and tells the nodes some time later.
  Result<void> command(const cluster::MetadataCommand& command);

  std::size_t size() const { return nodes_.size(); }
  bool up(std::size_t node) const { return nodes_[node]->group != nullptr; }
  GroupCore& group(std::size_t node) { return *nodes_[node]->group; }
  MemoryDatabase& disk(std::size_t node) { return *nodes_[node]->disk; }
  /// Checkpoints that took the place of a copy there.
  std::size_t checkpoints(std::size_t node) const { return nodes_[node]->checkpoints; }
  storage::CopyNumber number(std::size_t node) { return nodes_[node]->number; }
  std::optional<std::size_t> primary() const;
  static NodeId name(std::size_t node) { return NodeId("node-" + std::to_string(node + 1)); }

  void crash(std::size_t node);  ///< with its unsynced writes
  void restart(std::size_t node);
  void wipe(std::size_t node);  ///< its copy is gone, the node is up
  void pause(std::size_t node, bool paused) { nodes_[node]->paused = paused; }
  void cut(std::size_t from, std::size_t to, bool is_cut);
  void isolate(std::size_t node, bool from_metadata);
  void heal();
  /// The leader of the metadata does not promote, or not by itself.
  void set_automatic(bool automatic) { automatic_ = automatic; }
  bool lease_valid(std::size_t node) const;

  /// One client's write to whatever node claims to lead; the outcome is recorded when it comes.
  void write(std::size_t node, std::uint64_t id, bool deleted);
  bool writing(std::size_t node) const { return nodes_[node]->writing; }
  void strong_read(std::size_t node);

  /// Until all copies that the metadata has are in sync and equal.
  void converge(milliseconds limit = std::chrono::seconds(60));
  void expect_equal_copies();

 private:
  struct Node {
    std::shared_ptr<MemoryDatabase> disk = std::make_shared<MemoryDatabase>();
    storage::CopyNumber number = 1, next_number = 2;
    std::uint64_t copy = 0;  // that is on the disk; 0 for none
    std::shared_ptr<GroupCore> group;
    std::unique_ptr<storage::ShardStore> store;
    std::uint64_t incarnation = 0;
    std::uint64_t term_at_start = 0;
    bool paused = false, writing = false, fetching = false, down = false;
    EventLoop::Point lease_until{}, granted_at{};
    std::uint64_t seen_version = 0;
    std::size_t checkpoints = 0;
  };
  class Link;
  class Directory;
  friend class Link;

  void open(std::size_t node);
  void close(std::size_t node);
  replication::GroupPorts ports(std::size_t node);
  void tick(std::size_t node);
  void beat(std::size_t node);
  void tell(std::size_t node);
  void lead_metadata();
  void promote_another(bool primary_lives);
  void propose(std::size_t node, const cluster::MetadataCommand& command,
               std::function<void(const ProposalResult&)> answer);
  Result<void> apply(std::size_t node, std::span<const storage::StoredWrite> writes);
  void fetch(std::size_t node, const NodeId& primary, std::uint64_t term);
  void follow_write(std::size_t node, const GroupCore::Ticket& ticket, std::vector<storage::StoredWrite> writes,
                    EventLoop::Point until);
  void finish_write(std::size_t node, const GroupCore::Ticket& ticket, const std::vector<storage::StoredWrite>& writes);
  void expect_on_every_copy_in_sync(std::uint64_t sequence);
  std::size_t index_of(const NodeId& node) const;
  /// Later, unless the node has stopped or restarted by then; a paused node comes to it when it goes on.
  void on_node(std::size_t node, milliseconds delay, std::function<void()> task);

  EventLoop loop_;
  History history_;
  Faults faults_;
  replication::ReplicationOptions options_;
  cluster::ClusterMetadata metadata_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Directory>> directories_;
  std::set<std::pair<std::size_t, std::size_t>> cut_;
  std::set<std::size_t> without_metadata_;
  bool automatic_ = true;
  float next_value_ = 1;
};

}  // namespace vectorizer::testing
