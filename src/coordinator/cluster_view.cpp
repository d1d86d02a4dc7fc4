#include "vectorizer/coordinator/cluster_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <utility>

#include "membership_admin.hpp"
#include "migrations.hpp"
#include "shard_detail.hpp"
#include "shard_reports.hpp"
#include "vectorizer/base/clock.hpp"
#include "vectorizer/coordinator/coordinator.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;
using cluster::NodeRecord;
using cluster::NodeStatus;
using std::chrono::milliseconds;
using Metadata = std::shared_ptr<const ClusterMetadata>;
using Contacts = std::map<NodeId, MemberPorts::Contact>;

constexpr milliseconds kSyncWait{2000};

class ClusterViewImpl final : public ClusterView {
 public:
  ClusterViewImpl(ClusterViewOptions options, cluster::MetadataLog& metadata, peer::PeerDirectory& peers)
      : options_(std::move(options)),
        metadata_(metadata),
        peers_(peers),
        calls_(options_.self, options_.members ? options_.call_threads : 0) {}

  NodeId self() const override { return options_.self; }
  bool alone() const override { return !options_.members; }
  NodeId leader() const override { return metadata_.leader(); }
  std::vector<NodeView> nodes() const override;
  Result<NodeView> node(const NodeId& id) const override;
  std::vector<ShardView> shards() const override;
  std::vector<ShardView> local_shards() const override;
  Result<ShardDetail> shard(const ShardId& id, bool with_digests) const override {
    return shard_detail(*metadata_.current(), peers_, calls_, id, with_digests);
  }
  ClusterStatus status() const override;
  ShardCounts shard_counts() const override { return count_shards(*metadata_.current()); }
  std::vector<NodeSync> sync() const override;
  std::uint64_t metadata_version() const override { return metadata_.current()->epoch; }
  std::vector<std::string> collection_names() const override {
    const auto metadata = metadata_.current();
    std::vector<std::string> names;
    for (const auto& [name, collection] : metadata->collections) names.push_back(name);
    return names;
  }
  std::vector<std::string> not_ready() const override;
  std::vector<std::string> warnings() const override {
    return options_.warnings ? options_.warnings() : std::vector<std::string>();
  }
  std::string note() const override { return note_of(*metadata_.current()); }

  Result<NodeView> add_node(const NodeView& node) override;
  Result<NodeRemoval> remove_node(const NodeId& node, bool force) override;
  Result<void> cancel_drain(const NodeId& node) override;
  Result<std::vector<Migration>> rebalance(bool force, bool dry_run) override;
  std::vector<Migration> migrations() const override;
  Result<void> cancel_migration(std::uint64_t id) override;
  Result<void> allocate(const ShardId& shard, const NodeId& node, bool empty) override;

 private:
  static ShardCounts count_shards(const ClusterMetadata& metadata);
  static std::string note_of(const ClusterMetadata& metadata);
  static std::set<NodeId> silent_primaries(const ClusterMetadata& metadata, const ShardReports& reports);
  NodeView view_of(const NodeRecord& node, const Contacts& contacts) const;
  std::vector<NodeView> missing(const ClusterMetadata& metadata) const;
  Contacts contacts() const { return options_.members ? options_.members->contacts() : Contacts(); }
  Result<peer::Hello> ask(const NodeId& node) const;

  const ClusterViewOptions options_;
  cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  mutable NodeCalls calls_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// ---- Nodes ----

NodeView ClusterViewImpl::view_of(const NodeRecord& node, const Contacts& contacts) const {
  NodeView view;
  view.id = node.id;
  view.address = node.address;
  view.grpc_port = node.grpc_port;
  view.rest_port = node.rest_port;
  view.status = cluster::node_status_name(node.status);
  view.role = node.id == metadata_.leader() ? "leader" : "follower";
  view.version = node.version;
  view.problem = node.problem;
  if (const auto contact = contacts.find(node.id); contact != contacts.end()) {
    view.last_seen_ms = contact->second.seen_ms;
    view.servers_hash = contact->second.servers_hash;
  }
  if (node.id == options_.self) {
    view.version = options_.version;
    view.last_seen_ms = wall_ms();
    if (options_.members) view.servers_hash = options_.members->servers_hash();
  }
  return view;
}

/// Servers of the configuration that no member is known by.
std::vector<NodeView> ClusterViewImpl::missing(const ClusterMetadata& metadata) const {
  std::vector<NodeView> views;
  if (!options_.members) return views;
  for (const auto& server : options_.members->missing()) {
    NodeView view;
    view.id = NodeId(server.name);
    view.status = "joining";
    view.role = "follower";
    const auto colon = server.endpoint.rfind(':');
    view.address = server.endpoint.substr(0, colon);
    if (colon != std::string::npos) {
      std::from_chars(server.endpoint.data() + colon + 1, server.endpoint.data() + server.endpoint.size(),
                      view.grpc_port);
    }
    const bool known = std::any_of(metadata.nodes.begin(), metadata.nodes.end(), [&](const auto& item) {
      return item.first == view.id || (item.second.address == view.address && item.second.grpc_port == view.grpc_port);
    });
    if (!known) views.push_back(std::move(view));
  }
  return views;
}

std::vector<NodeView> ClusterViewImpl::nodes() const {
  const auto metadata = metadata_.current();
  const auto reports = ShardReports::read(*metadata, peers_, calls_);
  const auto known = contacts();
  std::map<NodeId, NodeView> views;
  for (const auto& [id, node] : metadata->nodes) views[id] = view_of(node, known);
  for (const auto& [shard, placement] : metadata->placements) {
    for (const auto& node : placement.replicas()) {
      if (const auto view = views.find(node); view != views.end()) view->second.shards.push_back(shard);
    }
    const auto leads = views.find(placement.primary);
    if (leads == views.end()) continue;
    ++leads->second.shard_count;
    if (const auto* report = reports.best(placement)) leads->second.vector_count += report->vectors;
  }
  std::vector<NodeView> all;
  for (auto& [id, view] : views) all.push_back(std::move(view));
  for (auto& view : missing(*metadata)) all.push_back(std::move(view));
  return all;
}

Result<peer::Hello> ClusterViewImpl::ask(const NodeId& node) const {
  auto answers =
      calls_.ask<peer::Hello>({node}, kNodeWait, [this](const NodeId& id) { return options_.members->ask(id); });
  return std::move(answers.at(node));
}

Result<NodeView> ClusterViewImpl::node(const NodeId& id) const {
  auto all = nodes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const NodeView& view) { return view.id == id; });
  if (found == all.end()) return node_not_found(id);
  auto view = std::move(*found);
  if (id == options_.self) {
    view.uptime_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  } else if (options_.members && view.status != "joining") {
    if (const auto hello = ask(id)) {
      view.uptime_seconds = hello->uptime_seconds;
      view.last_seen_ms = wall_ms();
    }
  }
  return view;
}

// ---- Shards ----

std::vector<ShardView> ClusterViewImpl::shards() const {
  const auto metadata = metadata_.current();
  const auto reports = ShardReports::read(*metadata, peers_, calls_);
  std::vector<ShardView> views;
  for (const auto& [id, placement] : metadata->placements) views.push_back(shard_view(placement, reports));
  return views;
}

std::vector<ShardView> ClusterViewImpl::local_shards() const {
  const auto metadata = metadata_.current();
  std::vector<ShardView> views;
  auto* here = peers_.find(options_.self);
  const auto reports =
      here == nullptr ? Result<std::vector<peer::ShardReport>>(std::vector<peer::ShardReport>{}) : here->report({});
  if (!reports) return views;
  for (const auto& report : *reports) {
    const auto found = metadata->placements.find(report.shard);
    if (found == metadata->placements.end()) continue;
    auto view = shard_view(found->second, ShardReports());
    static_cast<ShardStats&>(view) = report;
    views.push_back(std::move(view));
  }
  return views;
}

ShardCounts ClusterViewImpl::count_shards(const ClusterMetadata& metadata) {
  ShardCounts counts;
  counts.total = metadata.placements.size();
  for (const auto& [shard, placement] : metadata.placements) {
    if (!led(metadata, placement)) ++counts.without_primary;
    const auto* collection = metadata.find(placement.collection);
    if (collection == nullptr) continue;
    if (live_in_sync(metadata, placement) < collection->config.sharding.replication_factor) ++counts.under_replicated;
  }
  return counts;
}

// ---- The whole ----

std::string ClusterViewImpl::note_of(const ClusterMetadata& metadata) {
  if (metadata.cluster_id.empty() || metadata.member_count() != 2) return "";
  return "two nodes have no fault tolerance: while one is away nothing can be written or changed (nothing is lost); "
         "add a third";
}

/// Nodes that lead shards as far as anybody knows, and do not answer for them: they may have died a moment ago.
std::set<NodeId> ClusterViewImpl::silent_primaries(const ClusterMetadata& metadata, const ShardReports& reports) {
  std::set<NodeId> silent;
  for (const auto& [shard, placement] : metadata.placements) {
    if (led(metadata, placement) && reports.primary(placement) == nullptr) silent.insert(placement.primary);
  }
  return silent;
}

ClusterStatus ClusterViewImpl::status() const {
  const auto metadata = metadata_.current();
  ClusterStatus status;
  status.shards = count_shards(*metadata);
  status.leader = metadata_.leader();
  status.epoch = metadata->epoch;
  std::size_t joined = 0;
  for (const auto& [id, node] : metadata->nodes) {
    if (node.status == NodeStatus::kRemoved) continue;
    ++joined;
    if (node.status == NodeStatus::kActive) ++status.active_nodes;
  }
  const auto waited_for = missing(*metadata);
  status.nodes = joined + waited_for.size();
  if (options_.members) {
    status.formed = metadata->formed;
    status.term = options_.members->term();
    const auto own = options_.members->servers_hash();
    for (const auto& [id, contact] : contacts()) {
      const auto node = metadata->nodes.find(id);
      if (node == metadata->nodes.end() || node->second.status == NodeStatus::kRemoved) continue;
      if (id != options_.self && contact.servers_hash && *contact.servers_hash != own) status.other_lists.push_back(id);
    }
  }
  for (const auto& server : waited_for) {
    status.notes.push_back(fmt::format("'{}' is configured and has not joined", server.id.value()));
  }
  for (const auto& node : status.other_lists) {
    status.notes.push_back(fmt::format("the configured servers of '{}' are not those of this node", node.value()));
  }
  if (auto note = note_of(*metadata); !note.empty()) status.notes.push_back(std::move(note));
  const auto reports = ShardReports::read(*metadata, peers_, calls_);
  status.quarantined = reports.quarantined();
  if (!status.quarantined.empty()) {
    status.notes.push_back(
        fmt::format("{} copies were damaged or unlike the others, and are made again", status.quarantined.size()));
  }
  const auto silent = silent_primaries(*metadata, reports);
  for (const auto& node : silent) {
    status.notes.push_back(fmt::format("node '{}' leads shards and does not answer", node.value()));
  }
  const bool red =
      status.leader.value().empty() || !status.formed || status.shards.without_primary > 0 || !silent.empty();
  const bool yellow = status.shards.under_replicated > 0 || !status.quarantined.empty() || status.active_nodes < joined;
  status.light = red ? "red" : yellow ? "yellow" : "green";
  return status;
}

std::vector<NodeSync> ClusterViewImpl::sync() const {
  const auto metadata = metadata_.current();
  if (!options_.members) return {{options_.self, metadata->epoch, cluster::metadata_digest(*metadata), ""}};
  std::vector<NodeId> members;
  for (const auto& [id, node] : metadata->nodes) {
    if (node.status != NodeStatus::kRemoved) members.push_back(id);
  }
  std::vector<NodeSync> all;
  auto answers =
      calls_.ask<peer::Hello>(members, kSyncWait, [this](const NodeId& id) { return options_.members->ask(id); });
  for (auto& [node, hello] : answers) {
    if (!hello) {
      all.push_back({node, std::nullopt, "", hello.error().message});
    } else if (hello->metadata_digest.empty()) {
      all.push_back({node, std::nullopt, "", "it belongs to another cluster"});
    } else {
      all.push_back({node, hello->metadata_epoch, hello->metadata_digest, ""});
    }
  }
  return all;
}

std::vector<std::string> ClusterViewImpl::not_ready() const {
  auto lines = options_.problems();
  if (alone()) return lines;
  const auto metadata = metadata_.current();
  for (const auto& [shard, placement] : metadata->placements) {
    const auto* copy = placement.copy_on(options_.self);
    if (copy == nullptr || copy->role == cluster::CopyRole::kInSync) continue;
    // Beyond what the collection wants: nobody misses it.
    const auto* migration = metadata->migration_of(shard);
    if (migration != nullptr && migration->move.to == options_.self) continue;
    lines.push_back(fmt::format("shard {} of collection '{}': the copy of this node is {}", shard.value(),
                                placement.collection, cluster::copy_role_name(copy->role)));
  }
  return lines;
}

// ---- Changes ----

Result<NodeView> ClusterViewImpl::add_node(const NodeView& node) {
  if (alone()) {
    if (metadata_.current()->nodes.count(node.id) != 0) return node_already_exists(node.id);
    return invalid_field("id", "this node runs as a single node (cluster.enabled is false): no other can be added");
  }
  ASSIGN_OR_RETURN(const auto record, record_new_node(metadata_, *options_.members, node));
  return view_of(record, contacts());
}

Result<NodeRemoval> ClusterViewImpl::remove_node(const NodeId& node, bool force) {
  RETURN_IF_ERROR(metadata_.catch_up());
  ASSIGN_OR_RETURN(auto removal, coordinator::remove_node(metadata_, node, force));
  removal.note = note_of(*metadata_.current());
  return removal;
}

Result<void> ClusterViewImpl::cancel_drain(const NodeId& node) {
  RETURN_IF_ERROR(metadata_.catch_up());
  return coordinator::cancel_drain(metadata_, node);
}

Result<std::vector<Migration>> ClusterViewImpl::rebalance(bool force, bool dry_run) {
  // A cluster of one has nowhere to move a shard to: it is balanced, and nothing moves.
  if (alone()) return std::vector<Migration>{};
  RETURN_IF_ERROR(metadata_.catch_up());
  const auto metadata = metadata_.current();
  return start_rebalance(metadata_, sizes_of(*metadata, ShardReports::read(*metadata, peers_, calls_)), force, dry_run);
}

std::vector<Migration> ClusterViewImpl::migrations() const {
  const auto metadata = metadata_.current();
  const auto shards = moving_shards(*metadata);
  const auto reports = shards.empty() ? ShardReports() : ShardReports::read(*metadata, peers_, calls_, shards);
  return all_migrations(*metadata, reports);
}

Result<void> ClusterViewImpl::cancel_migration(std::uint64_t id) {
  RETURN_IF_ERROR(metadata_.catch_up());
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(cluster::CancelMove{id}));
  (void)decided;
  return {};
}

Result<void> ClusterViewImpl::allocate(const ShardId& shard, const NodeId& node, bool empty) {
  RETURN_IF_ERROR(metadata_.catch_up());
  const auto metadata = metadata_.current();
  const auto found = metadata->placements.find(shard);
  if (found == metadata->placements.end()) {
    return Error{ErrorType::kNotFound, fmt::format("shard {} does not exist", shard.value())}.with("shard_id",
                                                                                                   shard.value());
  }
  if (metadata->nodes.count(node) == 0) return node_not_found(node);
  const auto& placement = found->second;
  if (!placement.primary.value().empty()) {
    return Error{ErrorType::kConflict,
                 fmt::format("shard {} has a primary, {}", shard.value(), placement.primary.value())}
        .with("shard_id", shard.value());
  }
  cluster::MetadataCommand command = cluster::AllocateStale{shard, placement.term, placement.isr_version, node};
  if (empty) command = cluster::AllocateEmpty{shard, placement.term, placement.isr_version, node};
  ASSIGN_OR_RETURN(const auto decided, metadata_.propose(command));
  (void)decided;
  return {};
}

}  // namespace

std::unique_ptr<ClusterView> make_cluster_view(ClusterViewOptions options, cluster::MetadataLog& metadata,
                                               peer::PeerDirectory& peers) {
  return std::make_unique<ClusterViewImpl>(std::move(options), metadata, peers);
}

}  // namespace vectorizer::coordinator
