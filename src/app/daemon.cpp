#include "daemon.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <thread>

#include "vectorizer/app/version.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/consensus/single_node_metadata_log.hpp"

namespace vectorizer::app {
namespace {

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

Result<void> Daemon::open() {
  if (settings_.cluster.enabled) {
    return Error{
        ErrorType::kValidation,
        "cluster.enabled: this build serves a single node; set it to false to run one (the rest of the cluster "
        "section is accepted as it is)"};
  }
  const std::filesystem::path data_dir = settings_.storage.data_dir;
  RETURN_IF_ERROR(make_directory(data_dir));

  storage::DatabaseOptions database;
  database.directory = data_dir / "db";
  database.sync_always = settings_.storage.sync == "always";
  database.sync_interval = std::chrono::milliseconds(settings_.storage.sync_interval_ms);
  database.block_cache_bytes = settings_.storage.block_cache_bytes;
  database.min_free_bytes = settings_.storage.min_free_bytes;
  ASSIGN_OR_RETURN(database_, storage::open_database(database, metrics_));

  const NodeId self(settings_.cluster.node_id);
  ASSIGN_OR_RETURN(metadata_, consensus::open_single_node_metadata_log(
                                  *database_, {self, settings_.server.host, 15003, settings_.server.port}));

  node::LocalNodeOptions node;
  node.self = self;
  node.data_dir = data_dir;
  node.index_threads = or_cores(settings_.index.threads);
  node.graph_threshold = settings_.index.graph_threshold;
  node.tail_limit = settings_.index.tail_limit;
  node.compaction_threshold = settings_.index.compaction_threshold;
  node_ = node::make_local_node(std::move(node), *database_, *metadata_, metrics_);
  metadata_->observe([this](const auto& metadata) { node_->reconcile(metadata); });

  peers_ = std::make_unique<peer::SinglePeerDirectory>(self, *node_);
  data_ = coordinator::make_data_plane(*metadata_, *peers_, metrics_);
  collections_ = coordinator::make_collection_admin(*metadata_, *peers_, settings_.limits.max_collections);
  cluster_ =
      coordinator::make_cluster_view({self, version(), false, [this] { return problems(); }}, *metadata_, *peers_);
  node_metrics_ = std::make_unique<NodeMetrics>(metrics_, *cluster_, *collections_, *database_);

  ASSIGN_OR_RETURN(server_, rest::start_server({settings_.server, settings_.limits, *collections_, *data_, *cluster_,
                                                metrics_, [this] { node_metrics_->refresh(); },
                                                [this] { return database_->disk_free_bytes(); }, version(), commit()}));
  spdlog::info("vectorizer {} ({}) serves http://{}:{} from {}", version(), commit(), settings_.server.host,
               server_->port(), std::filesystem::absolute(data_dir).string());
  return {};
}

std::vector<std::string> Daemon::problems() const {
  auto lines = node_->problems();
  if (draining_) lines.emplace_back("draining: the process is stopping");
  return lines;
}

bool Daemon::stop() {
  if (draining_.exchange(true)) return true;
  if (server_ && !server_->stop()) return false;
  if (node_) node_->stop();
  return true;
}

}  // namespace vectorizer::app
