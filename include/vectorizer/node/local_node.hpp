#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

struct LocalNodeOptions {
  NodeId self;
  std::filesystem::path data_dir;
  std::uint32_t index_threads = 1;  ///< background indexing, compaction and saving
  std::uint32_t write_threads = 8;  ///< shards of one node that may sync a write at the same time
  std::uint32_t graph_threshold = 2000;
  std::uint32_t tail_limit = 200000;
  double compaction_threshold = 0.2;
};

/// The shards that this process hosts. Opens, creates and drops copies as the metadata says, and keeps their indexes up
/// in the background.
///
/// A copy is created empty only while its shard is in state INIT; a copy that the metadata calls in sync and the disk
/// lacks is lost: its shard stays unavailable and says so.
class LocalNode : public peer::Peer {
 public:
  /// Makes the copies on disk agree with the metadata; called for every new metadata. Thread-safe.
  virtual void reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) = 0;
  /// What keeps this node from serving everything that the metadata gives it, one line each; empty when it does.
  virtual std::vector<std::string> problems() const = 0;
  /// Stops the background work and saves the indexes. Idempotent; reads and writes still work afterwards.
  virtual void stop() = 0;
};

/// @param database, metadata, registry outlive the node.
std::unique_ptr<LocalNode> make_local_node(LocalNodeOptions options, storage::Database& database,
                                           cluster::MetadataLog& metadata, MetricsRegistry& registry);

}  // namespace vectorizer::node
