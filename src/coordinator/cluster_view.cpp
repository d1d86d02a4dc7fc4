#include "vectorizer/coordinator/cluster_view.hpp"

#include <fmt/format.h>

#include <chrono>

#include "shard_reports.hpp"
#include "vectorizer/coordinator/coordinator.hpp"

namespace vectorizer::coordinator {
namespace {

class ClusterViewImpl final : public ClusterView {
 public:
  ClusterViewImpl(ClusterViewOptions options, const cluster::MetadataLog& metadata, peer::PeerDirectory& peers)
      : options_(std::move(options)), metadata_(metadata), peers_(peers) {}

  NodeId self() const override { return options_.self; }
  bool alone() const override { return !options_.cluster_enabled; }
  NodeId leader() const override { return metadata_.leader(); }
  std::vector<NodeView> nodes() const override;
  std::vector<ShardView> shards() const override;
  std::uint64_t metadata_version() const override { return metadata_.current()->epoch; }
  std::string metadata_digest() const override { return cluster::metadata_digest(*metadata_.current()); }
  std::vector<std::string> not_ready() const override { return options_.problems(); }

  Result<NodeView> add_node(const NodeView& node) override;
  Result<std::vector<Migration>> remove_node(const NodeId& node, bool force) override;
  // A cluster of one has nowhere to move a shard to: it is balanced, and nothing moves.
  Result<std::vector<Migration>> rebalance(bool, bool) override { return std::vector<Migration>{}; }
  std::vector<Migration> migrations() const override { return {}; }

 private:
  const ClusterViewOptions options_;
  const cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::vector<NodeView> ClusterViewImpl::nodes() const {
  const auto metadata = metadata_.current();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::vector<NodeView> views;
  for (const auto& [id, node] : metadata->nodes) {
    NodeView view;
    view.id = id;
    view.address = node.address;
    view.grpc_port = node.grpc_port;
    view.rest_port = node.rest_port;
    view.role = id == metadata_.leader() ? "leader" : "follower";
    auto* peer = peers_.find(id);
    const auto reports =
        peer == nullptr ? Result<std::vector<peer::ShardReport>>(std::vector<peer::ShardReport>{}) : peer->report({});
    view.status = peer != nullptr && reports ? "active" : "unhealthy";
    if (reports) {
      for (const auto& report : *reports) {
        view.shards.push_back(report.shard);
        view.vector_count += report.vectors;
      }
    }
    view.shard_count = view.shards.size();
    if (id == options_.self) {
      view.version = options_.version;
      view.last_seen_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
      view.uptime_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<ShardView> ClusterViewImpl::shards() const {
  const auto metadata = metadata_.current();
  const auto reports = primary_reports(*metadata, peers_);
  std::vector<ShardView> views;
  for (const auto& [id, placement] : metadata->placements) {
    ShardView view;
    view.id = id;
    view.collection = placement.collection;
    view.primary = placement.primary;
    view.replicas = placement.replicas();
    view.in_sync = placement.in_sync();
    view.term = placement.term;
    if (const auto report = reports.find(id); report != reports.end()) {
      static_cast<ShardStats&>(view) = report->second;
    }
    views.push_back(std::move(view));
  }
  return views;
}

Result<NodeView> ClusterViewImpl::add_node(const NodeView& node) {
  if (metadata_.current()->nodes.count(node.id) != 0) {
    return Error{ErrorType::kNodeAlreadyExists, fmt::format("node '{}' already exists", node.id.value())}.with(
        "id", node.id.value());
  }
  return invalid_field("id", "this node runs as a single node (cluster.enabled is false): no other can be added");
}

Result<std::vector<Migration>> ClusterViewImpl::remove_node(const NodeId& node, bool) {
  if (metadata_.current()->nodes.count(node) == 0) {
    return Error{ErrorType::kNodeNotFound, fmt::format("node '{}' does not exist", node.value())}.with("id",
                                                                                                       node.value());
  }
  return invalid_field("id", fmt::format("'{}' is the last node of the cluster and cannot be removed", node.value()));
}

}  // namespace

std::unique_ptr<ClusterView> make_cluster_view(ClusterViewOptions options, const cluster::MetadataLog& metadata,
                                               peer::PeerDirectory& peers) {
  return std::make_unique<ClusterViewImpl>(std::move(options), metadata, peers);
}

}  // namespace vectorizer::coordinator
