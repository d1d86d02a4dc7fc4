#include "vectorizer/rpc/grpc_peers.hpp"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <utility>

#include "call.hpp"
#include "client_core.hpp"
#include "grpc_membership_peer.hpp"
#include "grpc_peer.hpp"
#include "grpc_replication_peer.hpp"
#include "raft_connector.hpp"

namespace vectorizer::rpc {
namespace {

/// Addresses that were asked who is there: a list of servers, and what DNS made of it over time.
constexpr std::size_t kMaxEndpoints = 256;

class GrpcPeersImpl final : public GrpcPeers {
 public:
  GrpcPeersImpl(GrpcPeersOptions options, IdentitySource identity, MetricsRegistry& metrics)
      : core_(std::move(options), std::move(identity), metrics) {}
  ~GrpcPeersImpl() override { GrpcPeersImpl::stop(); }

  void set_endpoint(const NodeId& node, const std::string& endpoint, std::uint64_t raft_id) override;
  void forget(const NodeId& node) override;
  void stop() override;

  peer::Peer* find(const NodeId& node) override;
  std::shared_ptr<peer::ReplicationPeer> replication(const NodeId& node) override;
  std::shared_ptr<peer::MembershipPeer> membership(const std::string& endpoint) override;
  Result<std::unique_ptr<peer::ByteStream>> connect(const peer::StreamRoute& route,
                                                    const std::stop_token& stop) override;

 private:
  /// Kept once known, because callers hold pointers; a node that is forgotten has no lines.
  struct Node {
    Target target;
    bool known = false;
    std::unique_ptr<GrpcPeer> data;
    std::shared_ptr<GrpcReplicationPeer> replication;
  };
  Target at_endpoint(const std::string& endpoint) const;
  void drop_unused_endpoints();  // under mutex_

  ClientCore core_;
  mutable std::mutex mutex_;
  std::map<NodeId, Node> nodes_;
  std::map<std::string, std::shared_ptr<GrpcMembershipPeer>> endpoints_;
};

void GrpcPeersImpl::set_endpoint(const NodeId& node, const std::string& endpoint, std::uint64_t raft_id) {
  const Target target{node, endpoint, raft_id};
  const std::lock_guard lock(mutex_);
  auto& entry = nodes_[node];
  if (entry.known && entry.target.endpoint == endpoint && entry.target.raft_id == raft_id) return;
  if (!entry.data) {
    entry.data = std::make_unique<GrpcPeer>(core_, node);
    entry.replication = std::make_shared<GrpcReplicationPeer>(core_, node);
  }
  entry.target = target;
  entry.known = true;
  entry.data->set_line(std::make_shared<Line<wire::DataService>>(core_, target));
  entry.replication->set_line(std::make_shared<Line<wire::ReplicationService>>(core_, target));
}

void GrpcPeersImpl::forget(const NodeId& node) {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second.known) return;
  found->second.known = false;
  found->second.data->set_line(nullptr);
  found->second.replication->set_line(nullptr);
}

void GrpcPeersImpl::stop() {
  core_.calls.stop();
  core_.starts.stop();
  core_.calls.stop();  // none begins any more, but one may have begun in between
  core_.replies.stop();
}

peer::Peer* GrpcPeersImpl::find(const NodeId& node) {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.known ? found->second.data.get() : nullptr;
}

std::shared_ptr<peer::ReplicationPeer> GrpcPeersImpl::replication(const NodeId& node) {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second.known) return nullptr;
  return found->second.replication;
}

std::shared_ptr<peer::MembershipPeer> GrpcPeersImpl::membership(const std::string& endpoint) {
  const std::lock_guard lock(mutex_);
  auto& peer = endpoints_[endpoint];
  if (!peer) {
    peer = std::make_shared<GrpcMembershipPeer>(core_, endpoint, [this, endpoint] { return at_endpoint(endpoint); });
    auto made = peer;
    drop_unused_endpoints();
    return made;
  }
  return peer;
}

Result<std::unique_ptr<peer::ByteStream>> GrpcPeersImpl::connect(const peer::StreamRoute& route,
                                                                 const std::stop_token& stop) {
  Target target;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [node, entry] : nodes_) {
      if (entry.known && entry.target.raft_id == route.to) target = entry.target;
    }
  }
  if (target.endpoint.empty() || route.to == 0) {
    return Error{ErrorType::kNodeUnreachable,
                 fmt::format("Failed to get client for node with raft id {:x}: its address is not known", route.to)};
  }
  return open_raft_stream(core_, target, route, stop);
}

Target GrpcPeersImpl::at_endpoint(const std::string& endpoint) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [node, entry] : nodes_) {
    if (entry.known && entry.target.endpoint == endpoint) return entry.target;
  }
  return {NodeId(), endpoint, 0};
}

void GrpcPeersImpl::drop_unused_endpoints() {
  if (endpoints_.size() <= kMaxEndpoints) return;
  std::erase_if(endpoints_, [](const auto& each) { return each.second.use_count() == 1; });
}

}  // namespace

std::unique_ptr<GrpcPeers> make_grpc_peers(GrpcPeersOptions options, IdentitySource identity,
                                           MetricsRegistry& metrics) {
  return std::make_unique<GrpcPeersImpl>(std::move(options), std::move(identity), metrics);
}

}  // namespace vectorizer::rpc
