#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/periodic.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/control/membership.hpp"
#include "vectorizer/coordinator/coordinator.hpp"
#include "vectorizer/node/local_node.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/rpc/grpc_peers.hpp"
#include "vectorizer/rpc/peer_server.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::app {

/// The parts that only a node of a cluster has, in the order in which they depend on each other:
///
///   identity -> calls to other nodes -> membership (with the metadata) -> what others ask of this node
class ClusterMember {
 public:
  /// @param database, metrics outlive it
  static Result<std::unique_ptr<ClusterMember>> open(const config::Settings& settings, storage::Database& database,
                                                     MetricsRegistry& metrics);
  ~ClusterMember() { stop(); }

  cluster::MetadataLog& metadata() { return membership_->metadata(); }
  control::Membership& membership() { return *membership_; }
  node::Replication replication();
  /// How requests of clients find the shards: here, or on another node.
  peer::PeerDirectory& peers() { return *directory_; }
  /// What this node knows of the others beside the metadata.
  coordinator::MemberPorts ports();
  /// What is unsafe in how it is set up, one line each.
  std::vector<std::string> warnings() const;

  /// Serves `node` to the others, makes it follow the metadata, and begins to look for the cluster.
  Result<void> start(node::LocalNode& node);
  std::uint16_t port() const { return server_->port(); }
  /// First what others ask of this node, then what it asks of them. Idempotent.
  void stop_serving();
  void stop();

 private:
  ClusterMember(const config::Settings& settings, MetricsRegistry& metrics) : settings_(settings), metrics_(metrics) {}
  Result<void> build(storage::Database& database);
  Result<void> begin_restore(control::MembershipOptions& options, storage::Database& database);
  rpc::Identity identity() const;

  const config::Settings settings_;
  MetricsRegistry& metrics_;
  std::string secret_;
  std::unique_ptr<control::IdentityFile> identity_;
  std::unique_ptr<rpc::GrpcPeers> grpc_;
  std::unique_ptr<control::Membership> membership_;
  std::unique_ptr<peer::PeerDirectory> directory_;
  std::unique_ptr<rpc::PeerServer> server_;
  bool caught_up_ = false;  // by the thread of follower_: what the log held at the start is behind us
  Periodic
      follower_;  // makes the node follow the metadata: apart from what delivers it, because that waits for changes
};

}  // namespace vectorizer::app
