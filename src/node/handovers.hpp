#pragma once

#include <chrono>

#include "copy_host.hpp"
#include "shard_tasks.hpp"

namespace vectorizer::node {

/// Gives shards that are led here to other copies in sync, before this node stops or where a move wants it, so that
/// nobody waits for a lease to end. Thread-safe.
class Handovers {
 public:
  /// @param copies, metadata outlive it
  Handovers(const NodeId& self, const CopyHost& copies, cluster::MetadataLog& metadata)
      : self_(self), copies_(copies), metadata_(metadata), tasks_("handover", 1) {}

  /// A move whose target has everything, and whose source is the primary here, waits for this node. In the background;
  /// tried again with the next reconciliation.
  void follow_moves(const cluster::ClusterMetadata& metadata);
  /// As LocalNode::hand_over.
  void give_away_all(std::chrono::milliseconds timeout) const;
  /// Waits for those that are under way. Idempotent.
  void stop() { tasks_.stop(); }

 private:
  static constexpr std::chrono::milliseconds kOne{1000};

  /// @param to empty for any other copy in sync
  bool give_away(const ShardId& shard, const HostedCopy& hosted, std::chrono::milliseconds timeout,
                 const NodeId& to) const;

  const NodeId self_;
  const CopyHost& copies_;
  cluster::MetadataLog& metadata_;
  ShardTasks tasks_;
};

}  // namespace vectorizer::node
