#include "cluster_member.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>

#include "options.hpp"
#include "vectorizer/app/version.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"
#include "vectorizer/control/restoring.hpp"
#include "vectorizer/control/server_list.hpp"
#include "vectorizer/node/stored_copies.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::app {
namespace {

constexpr std::chrono::milliseconds kServerGrace{2000};
/// The node follows each change of the metadata at once; this is for what failed the last time.
constexpr std::chrono::milliseconds kFollowAgain{1000};
constexpr std::size_t kMaxSecretBytes = 4096;

/// This node itself, and the others.
class ClusterPeers final : public peer::PeerDirectory {
 public:
  ClusterPeers(NodeId self, rpc::GrpcPeers& others) : self_(std::move(self)), others_(others) {}
  peer::Peer* find(const NodeId& node) override { return node == self_ ? here_ : others_.find(node); }
  void serve(peer::Peer& here) { here_ = &here; }

 private:
  const NodeId self_;
  rpc::GrpcPeers& others_;
  peer::Peer* here_ = nullptr;  // constant once requests are served
};

Result<std::string> read_secret(const config::ClusterSettings& cluster) {
  if (cluster.secret_file.empty()) return cluster.secret;
  std::ifstream file(cluster.secret_file, std::ios::binary);
  std::string secret(std::istreambuf_iterator<char>(file), {});
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (!file || secret.empty() || secret.size() > kMaxSecretBytes) {
    return Error{ErrorType::kValidation,
                 fmt::format("cluster.secret_file: '{}' must be a readable file of 1 to {} bytes", cluster.secret_file,
                             kMaxSecretBytes)};
  }
  return secret;
}

std::uint16_t own_port(const config::ClusterSettings& cluster) {
  const auto self = std::find_if(cluster.servers.begin(), cluster.servers.end(),
                                 [&](const auto& server) { return server.id == cluster.node_id; });
  return self == cluster.servers.end() || cluster.discovery == "dns" ? cluster.dns_grpc_port : self->grpc_port;
}

control::MembershipOptions membership_options(const config::Settings& settings) {
  const auto& cluster = settings.cluster;
  control::MembershipOptions options;
  options.self = NodeId(cluster.node_id);
  options.rest_port = settings.server.port;
  options.version = version();
  options.timeout = std::chrono::milliseconds(cluster.timeout_ms);
  options.resolve_interval = std::chrono::seconds(cluster.dns_resolve_interval);
  options.raft_directory = std::filesystem::path(settings.storage.data_dir) / "raft";
  options.elasticity.max_moves = cluster.max_moves;
  options.elasticity.max_moves_per_node = cluster.max_moves_per_node;
  options.elasticity.replace_after = std::chrono::seconds(cluster.replace_after);
  options.elasticity.rebalance_after = std::chrono::seconds(cluster.rebalance_after);
  if (cluster.discovery == "dns") {
    options.dns_name = cluster.dns_name;
    options.dns_grpc_port = cluster.dns_grpc_port;
    options.expected_nodes = cluster.expected_nodes;
  } else {
    for (const auto& server : cluster.servers) {
      const auto endpoint = control::make_endpoint(server.address, server.grpc_port);
      options.servers.push_back({server.id, endpoint});
      if (server.id == cluster.node_id) options.endpoint = endpoint;
    }
    options.expected_nodes = static_cast<std::uint32_t>(cluster.servers.size());
  }
  options.on_fatal = [](const Error& error) {
    spdlog::critical("the metadata log has stopped: {}", error.message);
    spdlog::shutdown();
    std::_Exit(kExitDamaged);
  };
  options.on_hung = [](std::chrono::milliseconds waiting) {
    spdlog::critical("something has been waiting for the disk for {} ms: the process ends, so that others take over",
                     waiting.count());
    spdlog::shutdown();
    std::_Exit(kExitHung);
  };
  return options;
}

}  // namespace

Result<std::unique_ptr<ClusterMember>> ClusterMember::open(const config::Settings& settings,
                                                           storage::Database& database, MetricsRegistry& metrics) {
  std::unique_ptr<ClusterMember> member(new ClusterMember(settings, metrics));
  RETURN_IF_ERROR(member->build(database));
  return member;
}

Result<void> ClusterMember::build(storage::Database& database) {
  const auto& cluster = settings_.cluster;
  ASSIGN_OR_RETURN(secret_, read_secret(cluster));
  for (const auto& warning : warnings()) spdlog::warn("{}", warning);
  auto options = membership_options(settings_);
  options.secured = !secret_.empty();
  RETURN_IF_ERROR(begin_restore(options, database));
  std::error_code ignored;
  const bool raft_directory = std::filesystem::exists(options.raft_directory, ignored);
  ASSIGN_OR_RETURN(identity_, control::IdentityFile::open(settings_.storage.data_dir, options.self, raft_directory));
  const auto state = identity_->current().state;
  if (!options.restored && (state == peer::IdentityState::kVirgin || state == peer::IdentityState::kClaimed)) {
    ASSIGN_OR_RETURN(options.initial, consensus::read_single_node_metadata(database));
  }

  rpc::GrpcPeersOptions grpc;
  grpc.timeout = options.timeout;
  grpc.retry_count = cluster.retry_count;
  grpc.secret = secret_;
  grpc_ = rpc::make_grpc_peers(
      grpc, [this] { return identity(); }, metrics_);
  membership_ =
      control::make_membership(std::move(options), *identity_, *grpc_, *grpc_, metrics_,
                               [this](const NodeId& node, std::uint64_t raft_id, const std::string& endpoint) {
                                 if (node.value() != settings_.cluster.node_id)
                                   grpc_->set_endpoint(node, endpoint, raft_id);
                               });
  directory_ = std::make_unique<ClusterPeers>(NodeId(cluster.node_id), *grpc_);
  return {};
}

/// A node that was restored from a backup says what it holds until it belongs to a cluster again.
Result<void> ClusterMember::begin_restore(control::MembershipOptions& options, storage::Database& database) {
  const std::filesystem::path data_dir = settings_.storage.data_dir;
  ASSIGN_OR_RETURN(options.restored, control::begin_restore(data_dir, options.self));
  if (!options.restored) return {};
  ASSIGN_OR_RETURN(const auto copies, node::stored_copies(database));
  for (const auto& copy : copies) {
    peer::CopyStatus status;
    status.shard = copy.shard;
    status.copy = copy.copy;
    status.term = copy.term;
    status.last = copy.last;
    status.applied = copy.applied;
    options.restored->data.copies.push_back(status);
  }
  options.on_member = [data_dir] {
    // If this fails, the next start sees that it is over.
    if (auto removed = storage::remove_restore_marker(data_dir); !removed) spdlog::warn("{}", removed.error().message);
  };
  return {};
}

std::vector<std::string> ClusterMember::warnings() const {
  if (!secret_.empty() || settings_.cluster.insecure) return {};
  return {
      fmt::format("cluster.secret is not set: whoever reaches port {} can read and change all data; set it on every "
                  "node, or cluster.insecure to accept this",
                  own_port(settings_.cluster))};
}

coordinator::MemberPorts ClusterMember::ports() {
  using std::chrono::duration_cast;
  coordinator::MemberPorts ports;
  ports.contacts = [this] {
    std::map<NodeId, coordinator::MemberPorts::Contact> contacts;
    for (const auto& [node, contact] : membership_->contacts()) {
      const auto seen = duration_cast<std::chrono::milliseconds>(contact.seen.time_since_epoch()).count();
      contacts[node] = {seen, contact.servers_hash};
    }
    return contacts;
  };
  ports.missing = [this] {
    std::vector<coordinator::MemberPorts::Missing> missing;
    for (const auto& server : membership_->missing()) missing.push_back({server.name, server.endpoint});
    return missing;
  };
  ports.ask = [this](const NodeId& node) { return membership_->ask(node); };
  ports.greet = [this](const std::string& address, std::uint16_t port) {
    return membership_->greet(control::make_endpoint(address, port));
  };
  ports.cluster_id = [this] { return identity_->current().cluster_id; };
  ports.term = [this] { return membership_->term(); };
  ports.servers_hash = [this] { return membership_->servers_hash(); };
  return ports;
}

rpc::Identity ClusterMember::identity() const {
  const auto self = identity_->current();
  return {self.cluster_id, self.node, self.raft_id};
}

node::Replication ClusterMember::replication() {
  node::Replication replication;
  replication.peers = grpc_.get();
  replication.nodes = directory_.get();
  replication.lease_valid = [this] { return membership_->lease_valid(); };
  replication.node_uuid = identity_->current().uuid;
  replication.recovery_bytes_per_second = settings_.cluster.recovery_bytes_per_second;
  replication.scrub_interval = std::chrono::seconds(settings_.cluster.scrub_interval);
  replication.scrub_bytes_per_second = settings_.cluster.scrub_bytes_per_second;
  return replication;
}

Result<void> ClusterMember::start(node::LocalNode& node) {
  dynamic_cast<ClusterPeers&>(*directory_).serve(node);
  rpc::PeerServerOptions options;
  options.host = settings_.cluster.bind_host.empty() ? settings_.server.host : settings_.cluster.bind_host;
  options.port = own_port(settings_.cluster);
  options.secret = secret_;
  options.timeout = std::chrono::milliseconds(settings_.cluster.timeout_ms);
  rpc::PeerHandlers handlers;
  handlers.data = &node;
  handlers.replication = &node;
  handlers.membership = membership_.get();
  handlers.raft_stream = [this](const peer::StreamRoute& route, peer::ByteStream& stream) {
    return membership_->serve_raft(route, stream);
  };
  ASSIGN_OR_RETURN(server_, rpc::start_peer_server(
                                options, [this] { return identity(); }, handlers, metrics_));
  membership_->metadata().observe([this](const auto&) { follower_.poke(); });
  control::LocalHooks hooks;
  hooks.copies = [&node] { return node.copies(); };
  hooks.positions = [&node] { return node.positions(); };
  hooks.lose = [&node](std::vector<std::uint64_t> copies) { node.lose(std::move(copies)); };
  hooks.disk_wait = [&node] { return node.longest_disk_wait(); };
  hooks.follows = [&node](std::uint64_t epoch, std::chrono::milliseconds timeout) {
    return node.follows(epoch, timeout);
  };
  RETURN_IF_ERROR(membership_->start(std::move(hooks)));
  follower_.start(kFollowAgain, [this, &node](const std::stop_token&) {
    // At its start a node sees the metadata from the beginning, as its log is read: what was true then must not be
    // acted on.
    if (!caught_up_ && !membership_->metadata().catch_up()) return;
    caught_up_ = true;
    const auto metadata = membership_->metadata().current();
    if (!metadata->cluster_id.empty()) node.reconcile(metadata);
  });
  return {};
}

void ClusterMember::stop_serving() {
  if (server_) server_->stop(kServerGrace);
}

void ClusterMember::stop() {
  stop_serving();
  follower_.stop();
  if (membership_) membership_->stop();
  if (grpc_) grpc_->stop();
}

}  // namespace vectorizer::app
