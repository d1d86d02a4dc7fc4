#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "api.hpp"
#include "command_line.hpp"
#include "importer.hpp"
#include "interrupt.hpp"
#include "snapshot_set.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;

/// A batch ends early when its body would grow beyond this; servers take 64 MiB.
constexpr std::size_t kMaxBatchBytes = std::size_t{16} << 20;

struct RestoreOptions {
  ServerOptions server;
  std::vector<std::filesystem::path> snapshots;
  std::vector<std::string> collections;
  bool existing = false;
  std::size_t batch = 500;
  std::size_t connections = 4;
  RetryPolicy retry;
  Url url;
};

void add_options(CLI::App& app, RestoreOptions& options) {
  app.add_option("snapshots", options.snapshots, "Directories of the snapshots: one of every node of the cluster")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("-c,--collection", options.collections, "Only these; may be repeated")->check(collection_name());
  app.add_flag("--existing", options.existing,
               "Also into collections that exist, over what is there: an interrupted restore goes on");
  app.add_option("--batch", options.batch, "Vectors per request")->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--connections", options.connections, "Requests in flight")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--retries", options.retry.max_retries, "Of one request")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  options.server.add_to(app);
}

/// A connection with everything that belongs to it.
class Server {
 public:
  Server(const RestoreOptions& options, const std::atomic<bool>& stop)
      : connection_(options.url, options.server.api_key, options.server.timeout()),
        retrying_(connection_, options.retry, stop) {}
  Result<std::string> call(http::verb method, std::string path, std::string body = "", std::string key = "") {
    return retrying_.call({method, std::move(path), std::move(body), std::move(key)});
  }

 private:
  HttpConnection connection_;
  RetryingConnection retrying_;
};

Result<std::size_t> active_nodes(Server& server) {
  ASSIGN_OR_RETURN(const auto body, server.call(http::verb::get, "/api/v1/cluster/nodes"));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("nodes") || !json["nodes"].is_array()) {
    return Error{ErrorType::kInternal, "the server described its nodes in an unknown way"};
  }
  const auto active = std::count_if(json["nodes"].begin(), json["nodes"].end(), [](const auto& node) {
    return node.is_object() && node.value("status", "") == "active";
  });
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(1, active));
}

/// The collection as it was, with no more copies than the cluster has nodes.
Result<void> create(Server& server, const RestoreOptions& options, CollectionConfig config, std::size_t nodes) {
  auto& sharding = config.sharding;
  sharding.replication_factor = std::min(sharding.replication_factor, static_cast<std::uint32_t>(nodes));
  sharding.min_in_sync = std::min(sharding.min_in_sync, sharding.replication_factor);
  const auto created = server.call(http::verb::post, "/collections", collection_config_to_json(config).dump());
  if (created) return {};
  if (created.error().type != ErrorType::kConflict || !options.existing) return created.error();
  const auto described = server.call(http::verb::get, collection_path(config.name));
  if (!described) return described.error();
  const auto there = nlohmann::json::parse(*described, nullptr, false);
  const auto wanted = collection_config_to_json(config);
  const bool fits = there.is_object() && there.value("dimension", nlohmann::json()) == wanted["dimension"] &&
                    there.value("metric", nlohmann::json()) == wanted["metric"];
  if (fits) return {};
  return Error{ErrorType::kConflict,
               fmt::format("collection '{}' exists with another dimension or metric", config.name)};
}

/// Sends the shards of one collection, several at a time.
class Sender {
 public:
  Sender(const RestoreOptions& options, const SnapshotSet& source, const cluster::CollectionRecord& collection,
         const std::atomic<bool>& stop)
      : options_(options), source_(source), collection_(collection), stop_(stop) {}

  Result<std::uint64_t> run() {
    std::vector<std::thread> threads;
    const auto count = std::min(options_.connections, std::max<std::size_t>(1, collection_.shards.size()));
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    for (auto& thread : threads) thread.join();
    if (error_) return *error_;
    return sent_.load();
  }

 private:
  void work() {
    Server server(options_, stop_);
    for (;;) {
      const auto at = next_++;
      if (at >= collection_.shards.size() || halted()) return;
      if (auto sent = send(server, collection_.shards[at]); !sent) fail(sent.error());
    }
  }

  Result<void> send(Server& server, const ShardId& shard) {
    std::vector<Record> batch;
    std::size_t bytes = 0;
    RETURN_IF_ERROR(source_.read(shard, [&](storage::StoredPoint&& stored) -> Result<void> {
      if (halted()) return Error{ErrorType::kShuttingDown, "interrupted; go on with --existing"};
      auto& point = stored.point;
      bytes += point.vector.size() * 6 + point.payload.size() + 300;
      batch.push_back({point.id.to_json(), std::move(point.vector), std::move(point.payload)});
      if (batch.size() < options_.batch && bytes < kMaxBatchBytes) return {};
      bytes = 0;
      return flush(server, batch);
    }));
    return flush(server, batch);
  }

  Result<void> flush(Server& server, std::vector<Record>& batch) {
    if (batch.empty()) return {};
    const auto key = fmt::format("{:08x}-{}", run_id_, batch_number_++);
    const auto path = collection_path(collection_.config.name, "/vectors");
    if (auto sent = server.call(http::verb::post, path, upsert_body(batch, 0), key); !sent) return sent.error();
    sent_ += batch.size();
    batch.clear();
    return {};
  }

  bool halted() const { return stop_.load() || failed_.load(); }
  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    failed_ = true;
  }

  const RestoreOptions& options_;
  const SnapshotSet& source_;
  const cluster::CollectionRecord& collection_;
  const std::atomic<bool>& stop_;
  const unsigned run_id_ = std::random_device{}();
  std::atomic<std::uint64_t> sent_ = 0, batch_number_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

Result<std::uint64_t> count(Server& server, const std::string& collection) {
  ASSIGN_OR_RETURN(const auto body, server.call(http::verb::post, collection_path(collection, "/vectors/count"), "{}"));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("count") && json["count"].is_number_unsigned()) {
    return json["count"].get<std::uint64_t>();
  }
  return Error{ErrorType::kInternal, "the server counted in an unknown way"};
}

Result<void> restore_one(Server& server, const RestoreOptions& options, const SnapshotSet& source,
                         const cluster::CollectionRecord& collection, std::size_t nodes,
                         const std::atomic<bool>& stop) {
  const auto& name = collection.config.name;
  RETURN_IF_ERROR(create(server, options, collection.config, nodes));
  Sender sender(options, source, collection, stop);
  ASSIGN_OR_RETURN(const auto sent, sender.run());
  if (stop) return Error{ErrorType::kShuttingDown, "interrupted; go on with --existing"};
  ASSIGN_OR_RETURN(const auto there, count(server, name));
  if (there != sent && !options.existing) {
    return Error{ErrorType::kInternal,
                 fmt::format("collection '{}' has {} vectors after {} were sent: somebody else writes to it", name,
                             there, sent)};
  }
  fmt::print("{}: {} vectors\n", name, sent);
  return {};
}

Result<void> restore(RestoreOptions& options) {
  const auto& stop = stop_on_signal();
  ASSIGN_OR_RETURN(const auto source, SnapshotSet::open(options.snapshots));
  const auto& all = source->metadata().collections;
  std::vector<const cluster::CollectionRecord*> wanted;
  for (const auto& name : options.collections) {
    const auto found = all.find(name);
    if (found == all.end()) {
      return Error{ErrorType::kNotFound, fmt::format("collection '{}' is not in the snapshots", name)};
    }
    wanted.push_back(&found->second);
  }
  if (options.collections.empty()) {
    for (const auto& [name, collection] : all) wanted.push_back(&collection);
  }
  for (const auto* collection : wanted) RETURN_IF_ERROR(source->check_complete(*collection));
  Server server(options, stop);
  ASSIGN_OR_RETURN(const auto nodes, active_nodes(server));
  for (const auto* collection : wanted) {
    RETURN_IF_ERROR(restore_one(server, options, *source, *collection, nodes, stop));
  }
  return {};
}

}  // namespace

std::shared_ptr<void> describe_restore(CLI::App& app) {
  auto options = std::make_shared<RestoreOptions>();
  add_options(app, *options);
  return options;
}

int run_restore(int argc, char** argv) {
  RestoreOptions options;
  CLI::App app("Sends the collections in snapshots to a server, or to a cluster of any size.", argv[0]);
  add_options(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  options.url = *parse_url(options.server.url);
  const auto done = restore(options);
  return done ? kExitDone : report_failure(argv[0], done.error().message);
}

}  // namespace vectorizer::client
