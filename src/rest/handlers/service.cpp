#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "handlers.hpp"
#include "openapi.hpp"

namespace vectorizer::rest {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

Response json_response(const Json& body) {
  Response response;
  // A name that is not UTF-8 must not turn the reply into an exception.
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

Response health(const Services& services, Clock::time_point start) {
  Json body{{"status", "healthy"},
            {"version", services.version},
            {"node_id", services.cluster.self().value()},
            {"uptime_seconds", seconds_since(start)},
            {"timestamp", utc_now()}};
  if (const auto warnings = services.cluster.warnings(); !warnings.empty()) {
    body["warning"] = fmt::format("{}", fmt::join(warnings, "; "));
  }
  return json_response(body);
}

Response ready(const Services& services, const Request& request) {
  const auto missing = services.cluster.not_ready();
  if (missing.empty()) return json_response({{"status", "ready"}});
  Error error{ErrorType::kShardUnavailable, fmt::format("not ready: {}", fmt::join(missing, "; "))};
  error.details = Json{{"not_ready", missing}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  return error_response(error, request.request_id);
}

Response expose_metrics(const Services& services) {
  if (services.refresh_metrics) services.refresh_metrics();
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = services.metrics.expose();
  return response;
}

/// Sums over the shards of this node, and their rows.
class ShardTotals {
 public:
  void add(const coordinator::ShardView& shard) {
    vectors_ += shard.vectors;
    codes_ += shard.code_bytes;
    graph_ += shard.graph_bytes;
    floats_ += shard.vector_bytes;
    payloads_ += shard.payload_bytes;
    rows_.push_back(
        {{"shard_id", shard.id.value()},
         {"collection", shard.collection},
         {"vector_count", shard.vectors},
         {"pending", shard.pending},
         {"tombstones", shard.tombstones},
         {"sequence", shard.sequence},
         {"memory_bytes", shard.code_bytes + shard.graph_bytes + shard.vector_bytes + shard.payload_bytes}});
  }
  std::uint64_t vectors() const { return vectors_; }
  Json memory() const {
    return {{"resident_bytes", resident_bytes()},
            {"codes_bytes", codes_},
            {"graph_bytes", graph_},
            {"vectors_bytes", floats_},
            {"payloads_bytes", payloads_}};
  }
  const Json& rows() const { return rows_; }

 private:
  std::uint64_t vectors_ = 0, codes_ = 0, graph_ = 0, floats_ = 0, payloads_ = 0;
  Json rows_ = Json::array();
};

Response stats(const Services& services, Clock::time_point start) {
  const auto self = services.cluster.self();
  ShardTotals totals;
  for (const auto& shard : services.cluster.local_shards()) totals.add(shard);
  Json disk = Json::object();
  if (services.disk_free_bytes) disk["free_bytes"] = services.disk_free_bytes();
  return json_response({{"node_id", self.value()},
                        {"version", services.version},
                        {"uptime_seconds", seconds_since(start)},
                        {"collections", services.cluster.collection_names().size()},
                        {"vectors", totals.vectors()},
                        {"memory", totals.memory()},
                        {"disk", std::move(disk)},
                        {"shards", totals.rows()}});
}

}  // namespace

std::vector<Route> service_routes(const Services& services) {
  const auto start = Clock::now();
  const auto contract = std::make_shared<const Result<std::string>>(yaml_to_json(openapi_yaml()));
  const auto metrics = [&services](const Request&) { return expose_metrics(services); };
  return {
      {Method::kGet, "/", RunOn::kIoThread,
       [&services](const Request&) {
         return json_response({{"name", "vectorizer"}, {"version", services.version}, {"commit", services.commit}});
       }},
      {Method::kGet, "/health", RunOn::kIoThread,
       [&services, start](const Request&) { return health(services, start); }},
      {Method::kGet, "/health/live", RunOn::kIoThread,
       [](const Request&) {
         return json_response({{"status", "alive"}});
       }},
      {Method::kGet, "/health/ready", RunOn::kIoThread,
       [&services](const Request& request) { return ready(services, request); }},
      {Method::kGet, "/prometheus/metrics", RunOn::kRequestLane, metrics},
      {Method::kGet, "/metrics", RunOn::kRequestLane, metrics},
      {Method::kGet, "/stats", RunOn::kRequestLane,
       [&services, start](const Request&) { return stats(services, start); }},
      {Method::kGet, "/openapi.json", RunOn::kIoThread,
       [contract](const Request& request) {
         if (!*contract) return error_response(contract->error(), request.request_id);
         Response response;
         response.body = **contract;
         return response;
       }},
  };
}

}  // namespace vectorizer::rest
