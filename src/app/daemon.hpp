#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "cluster_member.hpp"
#include "cluster_metrics.hpp"
#include "node_metrics.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/coordinator/coordinator.hpp"
#include "vectorizer/coordinator/snapshot_admin.hpp"
#include "vectorizer/node/local_node.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/rest/server.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::app {

/// The whole program: its parts in the order in which they depend on each other, so that destruction is the reverse.
///
///   database -> metadata log -> local node -> coordinator -> REST
///
/// The metadata log is that of a single node, or of a ClusterMember.
class Daemon {
 public:
  /// Opens everything; when it returns, requests are served.
  static Result<std::unique_ptr<Daemon>> start(const config::Settings& settings);
  ~Daemon();

  /// Drains: not ready, no new connections, running requests finish, indexes are saved. Idempotent. False if requests
  /// still run after server.shutdown_timeout_ms: the process must then end without destroying this.
  bool stop();
  std::uint16_t rest_port() const { return server_->port(); }

 private:
  explicit Daemon(const config::Settings& settings) : settings_(settings) {}
  Result<void> open();
  Result<void> open_database(const storage::DatabaseOptions& options);
  Result<void> open_metadata();
  node::LocalNodeOptions node_options();
  coordinator::SnapshotAdminOptions snapshot_options() const;
  std::vector<std::string> problems() const;
  void refresh_metrics();

  const config::Settings settings_;
  std::atomic<bool> draining_ = false;
  std::string set_aside_;  // that it was done, and why; empty if not
  MetricsRegistry metrics_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<ClusterMember> member_;             // null on a single node
  std::unique_ptr<cluster::MetadataLog> single_log_;  // null in a cluster
  cluster::MetadataLog* metadata_ = nullptr;          // one of the two
  std::unique_ptr<node::LocalNode> node_;
  std::unique_ptr<peer::PeerDirectory> single_peers_;  // null in a cluster
  std::unique_ptr<coordinator::DataPlane> data_;
  std::unique_ptr<coordinator::CollectionAdmin> collections_;
  std::unique_ptr<coordinator::ClusterView> cluster_;
  std::unique_ptr<coordinator::SnapshotAdmin> snapshots_;
  std::unique_ptr<NodeMetrics> node_metrics_;
  std::unique_ptr<ClusterMetrics> cluster_metrics_;  // null on a single node
  std::unique_ptr<rest::Server> server_;
};

}  // namespace vectorizer::app
