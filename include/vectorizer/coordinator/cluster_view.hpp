#pragma once

#include <cstdint>
#include <map>
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
  std::string status;  ///< active | unhealthy | joining | draining | removed
  std::string role;    ///< leader | follower
  std::uint64_t shard_count = 0, vector_count = 0;
  std::int64_t last_seen_ms = 0;
  std::string version;
  std::vector<ShardId> shards;
  double uptime_seconds = 0;
};

/// A shard, with the state of its primary's copy.
struct ShardView : ShardStats {
  ShardId id;
  std::string collection;
  NodeId primary;
  std::vector<NodeId> replicas, in_sync;
  std::uint64_t term = 0;
};

struct Migration {
  std::uint64_t id = 0;
  ShardId shard;
  NodeId from, to;
  std::string state;
  std::uint64_t vectors_done = 0, vectors_total = 0;
};

/// What the cluster endpoints, /stats and the metrics show. Thread-safe; never blocks for long.
class ClusterView {
 public:
  virtual ~ClusterView() = default;
  virtual NodeId self() const = 0;
  /// A single node, which asks nobody.
  virtual bool alone() const = 0;
  virtual NodeId leader() const = 0;
  virtual std::vector<NodeView> nodes() const = 0;
  virtual std::vector<ShardView> shards() const = 0;
  virtual std::uint64_t metadata_version() const = 0;
  /// Hex digest of the metadata: equal on nodes that agree.
  virtual std::string metadata_digest() const = 0;
  /// Empty when ready; else what is not, one line each (also while draining).
  virtual std::vector<std::string> not_ready() const = 0;

  virtual Result<NodeView> add_node(const NodeView& node) = 0;
  virtual Result<std::vector<Migration>> remove_node(const NodeId& node, bool force) = 0;
  virtual Result<std::vector<Migration>> rebalance(bool force, bool dry_run) = 0;
  virtual std::vector<Migration> migrations() const = 0;
};

}  // namespace vectorizer::coordinator
