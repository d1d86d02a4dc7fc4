#include "daemon.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <thread>

#include "vectorizer/app/version.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::app {
namespace {

/// For giving shards to other nodes before a stop.
constexpr std::chrono::milliseconds kHandOverTime{5000};

std::uint32_t or_cores(std::uint32_t configured) {
  return configured != 0 ? configured : std::max(1U, std::thread::hardware_concurrency());
}

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) {
    return Error{ErrorType::kInternal,
                 fmt::format("data directory '{}' cannot be created: {}", directory.string(), problem.message())};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(const config::Settings& settings) {
  std::unique_ptr<Daemon> daemon(new Daemon(settings));
  RETURN_IF_ERROR(daemon->open());
  return daemon;
}

Daemon::~Daemon() {
  stop();
}

Result<void> Daemon::open_metadata() {
  if (settings_.cluster.enabled) {
    ASSIGN_OR_RETURN(member_, ClusterMember::open(settings_, *database_, metrics_));
    metadata_ = &member_->metadata();
    return {};
  }
  const std::filesystem::path raft = std::filesystem::path(settings_.storage.data_dir) / "raft";
  std::error_code ignored;
  if (std::filesystem::exists(raft, ignored)) {
    return Error{ErrorType::kConflict,
                 fmt::format("'{}' is the data of a node of a cluster; set cluster.enabled to start it",
                             settings_.storage.data_dir)};
  }
  cluster::NodeRecord self;
  self.id = NodeId(settings_.cluster.node_id);
  self.address = settings_.server.host;
  self.grpc_port = 15003;
  self.rest_port = settings_.server.port;
  ASSIGN_OR_RETURN(single_log_, consensus::open_single_node_metadata_log(*database_, self));
  metadata_ = single_log_.get();
  return {};
}

/// Shards that are damaged as a whole are those of a node that lost them: the others have them, and give them back.
Result<void> Daemon::open_database(const storage::DatabaseOptions& options) {
  auto opened = storage::open_database(options, metrics_);
  std::error_code ignored;
  const bool member = settings_.cluster.enabled &&
                      std::filesystem::exists(std::filesystem::path(settings_.storage.data_dir) / "raft", ignored);
  if (!opened && opened.error().type == ErrorType::kConflict && member) {
    ASSIGN_OR_RETURN(const auto place, storage::set_aside(options.directory));
    set_aside_ = fmt::format(
        "the shards of this node were damaged ({}) and are made again from other copies; what was "
        "there is in '{}'",
        opened.error().message, place.string());
    spdlog::critical("{}", set_aside_);
    opened = storage::open_database(options, metrics_);
  }
  if (!opened) return opened.error();
  database_ = std::move(*opened);
  return {};
}

node::LocalNodeOptions Daemon::node_options() {
  node::LocalNodeOptions node;
  node.self = NodeId(settings_.cluster.node_id);
  node.data_dir = settings_.storage.data_dir;
  node.index_threads = or_cores(settings_.index.threads);
  node.graph_threshold = settings_.index.graph_threshold;
  node.tail_limit = settings_.index.tail_limit;
  node.compaction_threshold = settings_.index.compaction_threshold;
  node.snapshot_dir = settings_.snapshots.directory;
  node.version = version();
  if (member_) {
    node.replication = member_->replication();
    node.save_membership = [this](const std::filesystem::path& place) { return member_->membership().save(place); };
  }
  return node;
}

coordinator::SnapshotAdminOptions Daemon::snapshot_options() const {
  coordinator::SnapshotAdminOptions options;
  options.self = NodeId(settings_.cluster.node_id);
  if (!member_) options.call_threads = 0;
  options.wait = std::chrono::milliseconds(settings_.server.write_timeout_ms);
  options.interval = std::chrono::seconds(settings_.snapshots.interval_s);
  options.keep = settings_.snapshots.keep;
  return options;
}

Result<void> Daemon::open() {
  const std::filesystem::path data_dir = settings_.storage.data_dir;
  RETURN_IF_ERROR(make_directory(data_dir));
  ASSIGN_OR_RETURN(const bool restored, storage::check_restored(data_dir));

  storage::DatabaseOptions database;
  database.directory = data_dir / "db";
  database.sync_always = settings_.storage.sync == "always";
  database.sync_interval = std::chrono::milliseconds(settings_.storage.sync_interval_ms);
  database.block_cache_bytes = settings_.storage.block_cache_bytes;
  database.min_free_bytes = settings_.storage.min_free_bytes;
  RETURN_IF_ERROR(open_database(database));
  RETURN_IF_ERROR(open_metadata());
  if (restored && !member_) RETURN_IF_ERROR(storage::remove_restore_marker(data_dir));

  const NodeId self(settings_.cluster.node_id);
  node_ = node::make_local_node(node_options(), *database_, *metadata_, metrics_);
  if (member_) {
    RETURN_IF_ERROR(member_->start(*node_));
  } else {
    metadata_->observe([this](const auto& metadata) { node_->reconcile(metadata); });
    single_peers_ = std::make_unique<peer::SinglePeerDirectory>(self, *node_);
  }
  auto& peers = member_ ? member_->peers() : *single_peers_;

  coordinator::DataPlaneOptions data;
  data.self = self;
  data.write_timeout = std::chrono::milliseconds(settings_.server.write_timeout_ms);
  if (!member_) data.fanout_threads = 0;
  data_ = coordinator::make_data_plane(data, *metadata_, peers, metrics_);
  coordinator::CollectionAdminOptions admin{self, settings_.limits.max_collections};
  coordinator::ClusterViewOptions view{self, version(), [this] { return problems(); }};
  view.warnings = [this] {
    auto lines = member_ ? member_->warnings() : std::vector<std::string>();
    for (auto& line : node_->warnings()) lines.push_back(std::move(line));
    if (!set_aside_.empty()) lines.push_back(set_aside_);
    return lines;
  };
  if (member_) {
    view.members = member_->ports();
  } else {
    admin.call_threads = 0;
  }
  collections_ = coordinator::make_collection_admin(admin, *metadata_, peers);
  cluster_ = coordinator::make_cluster_view(std::move(view), *metadata_, peers);
  snapshots_ = coordinator::make_snapshot_admin(snapshot_options(), *metadata_, peers);
  node_metrics_ = std::make_unique<NodeMetrics>(metrics_, *cluster_, *database_);
  if (member_) cluster_metrics_ = std::make_unique<ClusterMetrics>(metrics_, *metadata_, member_->membership());

  ASSIGN_OR_RETURN(server_, rest::start_server({settings_.server, settings_.limits, *collections_, *data_, *cluster_,
                                                *snapshots_, metrics_, [this] { refresh_metrics(); },
                                                [this] { return database_->disk_free_bytes(); }, version(), commit()}));
  spdlog::info("vectorizer {} ({}) serves http://{}:{} from {}", version(), commit(), settings_.server.host,
               server_->port(), std::filesystem::absolute(data_dir).string());
  if (member_) spdlog::info("node '{}' listens for other nodes on port {}", self.value(), member_->port());
  return {};
}

void Daemon::refresh_metrics() {
  node_metrics_->refresh();
  if (cluster_metrics_) cluster_metrics_->refresh();
}

std::vector<std::string> Daemon::problems() const {
  auto lines = node_->problems();
  if (member_) {
    for (auto& line : member_->membership().problems()) lines.push_back(std::move(line));
  }
  if (draining_) lines.emplace_back("draining: the process is stopping");
  return lines;
}

bool Daemon::stop() {
  if (draining_.exchange(true)) return true;
  if (server_ && !server_->stop()) return false;
  if (snapshots_) snapshots_->stop();
  if (member_) {
    node_->hand_over(kHandOverTime);
    member_->membership().hand_over();
    member_->stop_serving();
  }
  if (node_) node_->stop();
  if (member_) member_->stop();
  return true;
}

}  // namespace vectorizer::app
