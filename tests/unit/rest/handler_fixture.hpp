#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "handlers.hpp"

namespace vectorizer::rest::testing {

/// Collections in a map. Configurations are really parsed and patched; there are no shards behind them.
class MapAdmin final : public coordinator::CollectionAdmin {
 public:
  Result<coordinator::CollectionInfo> create(const CollectionConfig& config) override {
    if (all.contains(config.name)) {
      return Error{ErrorType::kCollectionAlreadyExists, "exists"}.with("collection", config.name);
    }
    coordinator::CollectionInfo info;
    info.config = config;
    info.config.sharding.shard_count = std::max(1U, config.sharding.shard_count);
    info.created_at_ms = 1700000000123;
    info.status = "green";
    info.shards_total = info.shards_active = info.config.sharding.shard_count;
    return all[config.name] = info;
  }
  Result<coordinator::CollectionInfo> alter(const std::string& name, const nlohmann::json& patch) override {
    auto changed = apply_collection_patch(all.at(name).config, patch);
    if (!changed) return changed.error();
    all.at(name).config = *changed;
    return all.at(name);
  }
  Result<void> drop(const std::string& name) override {
    if (all.erase(name) == 0) return missing(name);
    return {};
  }
  Result<coordinator::CollectionInfo> get(const std::string& name) const override {
    const auto found = all.find(name);
    if (found == all.end()) return missing(name);
    return found->second;
  }
  std::vector<coordinator::CollectionInfo> list() const override {
    std::vector<coordinator::CollectionInfo> out;
    for (const auto& [name, info] : all) out.push_back(info);
    return out;
  }
  static Error missing(const std::string& name) {
    return Error{ErrorType::kCollectionNotFound, "missing"}.with("collection", name);
  }

  std::map<std::string, coordinator::CollectionInfo> all;
};

/// One collection, `docs`, of a given dimension. Points are kept in a map, searched exactly by dot product, and what
/// was asked is kept for the test to look at.
class MapData final : public coordinator::DataPlane {
 public:
  Result<coordinator::CollectionShape> shape(const std::string& collection) const override {
    if (collection != "docs") return MapAdmin::missing(collection);
    return coordinator::CollectionShape{dimension, Metric::kDot};
  }
  Result<coordinator::WriteReport> write(const std::string&, std::vector<WriteOp> ops, std::vector<std::size_t> places,
                                         const coordinator::WriteKey& key) override {
    written_key = key;
    if (write_error) return *write_error;
    coordinator::WriteReport report;
    report.positions = positions;
    written_places = std::move(places);
    for (const auto& op : ops) apply(op, report);
    written = std::move(ops);
    return report;
  }
  Result<coordinator::WriteReport> write_matching(const std::string&, const Filter& filter, WriteOp op,
                                                  const coordinator::WriteKey& key) override {
    written_key = key;
    coordinator::WriteReport report;
    std::vector<PointId> ids;
    for (const auto& [id, point] : points) {
      if (filter_matches(filter, id, std::string_view(point.payload))) ids.push_back(id);
    }
    for (auto& id : ids) {
      op.id = id;
      apply(op, report);
    }
    return report;
  }
  Result<coordinator::SearchReply> search(const std::string&, const SearchQuery& query) const override {
    searched.push_back(query);
    if (search_error && searched.size() == search_error_at) return *search_error;
    coordinator::SearchReply reply;
    reply.shards_total = 2;
    reply.failures = failures;
    for (const auto& [id, point] : points) {
      if (query.filter && !filter_matches(*query.filter, id, std::string_view(point.payload))) continue;
      float score = 0;
      for (std::size_t i = 0; i < point.vector.size(); ++i) score += point.vector[i] * query.vector[i];
      reply.results.push_back({id, score, point.payload, point.vector});
    }
    std::stable_sort(reply.results.begin(), reply.results.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    const auto skip = std::min(query.offset, reply.results.size());
    reply.results.erase(reply.results.begin(), reply.results.begin() + static_cast<std::ptrdiff_t>(skip));
    if (reply.results.size() > query.limit) reply.results.resize(query.limit);
    return reply;
  }
  Result<std::vector<std::optional<Point>>> get(const std::string&, std::span<const PointId> ids, const Projection&,
                                                const ReadFrom& from) const override {
    reads.push_back(from);
    if (read_error) return *read_error;
    std::vector<std::optional<Point>> out;
    for (const auto& id : ids) {
      const auto found = points.find(id);
      out.push_back(found == points.end() ? std::nullopt : std::optional(found->second));
    }
    return out;
  }
  Result<coordinator::ScrollReply> scroll(const std::string&, const ScrollQuery& query,
                                          const ReadFrom& from) const override {
    reads.push_back(from);
    if (read_error) return *read_error;
    scrolled = query;
    coordinator::ScrollReply reply;
    for (auto at = query.after ? points.upper_bound(*query.after) : points.begin(); at != points.end(); ++at) {
      if (reply.points.size() == query.limit) {
        reply.next = reply.points.back().id;
        break;
      }
      reply.points.push_back(at->second);
    }
    return reply;
  }
  Result<std::uint64_t> count(const std::string&, const std::optional<Filter>& filter,
                              const ReadFrom& from) const override {
    reads.push_back(from);
    if (read_error) return *read_error;
    return static_cast<std::uint64_t>(std::count_if(points.begin(), points.end(), [&](const auto& entry) {
      return !filter || filter_matches(*filter, entry.first, std::string_view(entry.second.payload));
    }));
  }

  std::uint32_t dimension = 3;
  std::map<PointId, Point> points;
  std::vector<WriteOp> written;
  mutable std::vector<SearchQuery> searched;
  mutable ScrollQuery scrolled;
  std::optional<Error> write_error, search_error, read_error;
  ShardPositions positions;  ///< what a write reports
  std::vector<std::size_t> written_places;
  coordinator::WriteKey written_key;
  mutable std::vector<ReadFrom> reads;  ///< by id, pages and counts
  std::size_t search_error_at = 1;
  std::vector<coordinator::ShardFailure> failures;

 private:
  void apply(const WriteOp& op, coordinator::WriteReport& report) {
    if (op.kind == WriteOp::Kind::kUpsert) {
      points[op.id] = Point{op.id, op.vector, op.payload};
      ++report.applied;
      return;
    }
    const auto found = points.find(op.id);
    if (found == points.end()) {
      ++report.not_found;
      report.missing.push_back(op.id);
      return;
    }
    ++report.applied;
    if (op.kind == WriteOp::Kind::kDelete) points.erase(found);
    if (op.kind == WriteOp::Kind::kPatch && !op.vector.empty()) found->second.vector = op.vector;
    if (op.kind == WriteOp::Kind::kPayload) found->second.payload = op.payload;
  }
};

/// Snapshots of one node in a map, complete at once.
class MapSnapshots final : public coordinator::SnapshotAdmin {
 public:
  Result<coordinator::SnapshotView> create(const std::optional<std::string>& name,
                                           coordinator::SnapshotScope scope) override {
    last_scope = scope;
    if (error) return *error;
    const auto id = name.value_or("made-up");
    if (all.contains(id)) return Error{ErrorType::kConflict, "exists"}.with("id", id);
    peer::SnapshotInfo info;
    info.name = id;
    info.state = state;
    info.path = "/data/snapshots/" + id;
    info.created_at_ms = 1700000000123;
    info.bytes = 300;
    info.shared_bytes = 100;
    info.files = 3;
    info.checksum = "00000000000000ff";
    coordinator::SnapshotView view{
        id, std::string(coordinator::snapshot_state_name(state)), info.created_at_ms, 300, 100, {}, {}};
    view.points[ShardId(4)] = {ShardId(4), 2, 17};
    view.nodes.push_back({NodeId("node-1"), info, ""});
    view.nodes.push_back({NodeId("node-2"), std::nullopt, "does not answer"});
    return all[id] = view;
  }
  std::vector<coordinator::SnapshotView> list(coordinator::SnapshotScope scope) override {
    last_scope = scope;
    std::vector<coordinator::SnapshotView> out;
    for (const auto& [id, view] : all) out.push_back(view);
    return out;
  }
  Result<coordinator::SnapshotView> get(const std::string& name, coordinator::SnapshotScope scope) override {
    last_scope = scope;
    const auto found = all.find(name);
    if (found == all.end()) return Error{ErrorType::kNotFound, "missing"}.with("id", name);
    return found->second;
  }
  Result<coordinator::SnapshotView> verify(const std::string& name, coordinator::SnapshotScope scope) override {
    return get(name, scope);
  }
  Result<void> remove(const std::string& name, coordinator::SnapshotScope scope) override {
    last_scope = scope;
    if (all.erase(name) == 0) return Error{ErrorType::kNotFound, "missing"}.with("id", name);
    return {};
  }
  void stop() override {}

  std::map<std::string, coordinator::SnapshotView> all;
  peer::SnapshotState state = peer::SnapshotState::kComplete;
  std::optional<Error> error;
  coordinator::SnapshotScope last_scope = coordinator::SnapshotScope::kCluster;
};

/// A cluster of one with three shards, of which the tests may change what they like.
class OneNode final : public coordinator::ClusterView {
 public:
  bool alone() const override { return true; }
  OneNode() {
    coordinator::NodeView node;
    node.id = NodeId("node-1");
    node.address = "127.0.0.1";
    node.grpc_port = 15003;
    node.rest_port = 15002;
    node.status = "active";
    node.role = "leader";
    node.shard_count = 3;
    node.vector_count = 7;
    node.last_seen_ms = 1700000000123;
    node.version = "0.1.0";
    node.shards = {ShardId(0), ShardId(1), ShardId(2)};
    node.uptime_seconds = 1.5;
    members = {node};
    for (std::uint64_t id = 0; id < 3; ++id) {
      coordinator::ShardView shard;
      shard.id = ShardId(id);
      shard.collection = "docs";
      shard.primary = NodeId("node-1");
      shard.replicas = shard.in_sync = {NodeId("node-1")};
      shard.term = 1;
      shard.sequence = 40 + id;
      shard.vector_bytes = 100;
      all_shards.push_back(shard);
    }
  }
  NodeId self() const override { return NodeId("node-1"); }
  NodeId leader() const override { return lead; }
  std::vector<coordinator::NodeView> nodes() const override { return members; }
  std::vector<coordinator::ShardView> shards() const override { return all_shards; }
  Result<coordinator::NodeView> node(const NodeId& id) const override {
    for (const auto& member : members) {
      if (member.id == id) return member;
    }
    return Error{ErrorType::kNodeNotFound, "missing"}.with("node", id.value());
  }
  std::vector<coordinator::ShardView> local_shards() const override {
    std::vector<coordinator::ShardView> here;
    for (const auto& shard : all_shards) {
      if (std::count(shard.replicas.begin(), shard.replicas.end(), self()) > 0) here.push_back(shard);
    }
    return here;
  }
  Result<coordinator::ShardDetail> shard(const ShardId& id, bool with_digests) const override {
    digested = with_digests;
    for (const auto& shard : all_shards) {
      if (shard.id != id) continue;
      auto found = detail;
      static_cast<coordinator::ShardView&>(found) = shard;
      return found;
    }
    return Error{ErrorType::kNotFound, "missing"}.with("shard_id", id.value());
  }
  coordinator::ClusterStatus status() const override { return state; }
  coordinator::ShardCounts shard_counts() const override { return state.shards; }
  std::vector<coordinator::NodeSync> sync() const override { return synced; }
  std::uint64_t metadata_version() const override { return 41; }
  std::vector<std::string> collection_names() const override { return {"docs"}; }
  std::vector<std::string> not_ready() const override { return problems; }
  std::vector<std::string> warnings() const override { return unsafe; }
  std::string note() const override { return a_note; }
  Result<coordinator::NodeView> add_node(const coordinator::NodeView& node) override {
    if (node.id.value() == "node-1") return Error{ErrorType::kNodeAlreadyExists, "exists"}.with("node", "node-1");
    return node;
  }
  Result<coordinator::NodeRemoval> remove_node(const NodeId&, bool force) override {
    forced = force;
    if (!removal) return invalid_field("id", "is the last node");
    return *removal;
  }
  Result<void> cancel_drain(const NodeId& node) override {
    if (!draining) return Error{ErrorType::kConflict, "it is not draining"}.with("node", node.value());
    draining = false;
    return {};
  }
  Result<void> cancel_migration(std::uint64_t id) override {
    for (const auto& migration : moving) {
      if (migration.id != id) continue;
      cancelled = id;
      return {};
    }
    return Error{ErrorType::kNotFound, "there is none"}.with("migration_id", id);
  }
  Result<std::vector<coordinator::Migration>> rebalance(bool force, bool dry_run) override {
    forced = force;
    dry = dry_run;
    return moving;
  }
  std::vector<coordinator::Migration> migrations() const override { return moving; }
  Result<void> allocate(const ShardId& shard, const NodeId& node, bool empty) override {
    for (const auto& known : all_shards) {
      if (known.id == shard && !known.primary.value().empty()) return Error{ErrorType::kConflict, "it has a primary"};
    }
    allocated = {node, empty};
    return {};
  }

  NodeId lead{"node-1"};
  std::vector<std::string> problems;
  std::vector<coordinator::NodeView> members;
  std::vector<coordinator::ShardView> all_shards;
  std::vector<coordinator::Migration> moving;
  std::vector<coordinator::NodeSync> synced{{NodeId("node-1"), 41, "abcd", ""}};
  coordinator::ClusterStatus state;
  coordinator::ShardDetail detail;
  std::vector<std::string> unsafe;
  std::string a_note;
  bool forced = false, dry = false, draining = false;
  std::optional<coordinator::NodeRemoval> removal;
  std::uint64_t cancelled = 0;
  mutable bool digested = false;
  std::pair<NodeId, bool> allocated;
};

/// Calls the handlers of one topic as the session would: the route by its pattern, the body with its padding.
class HandlerTest : public ::testing::Test {
 protected:
  struct Reply {
    int status = 0;
    nlohmann::json body;
    std::string text;
    std::vector<std::pair<std::string, std::string>> headers;

    std::string header(const std::string& name) const {
      for (const auto& [key, value] : headers) {
        if (key == name) return value;
      }
      return {};
    }
  };

  explicit HandlerTest(std::vector<Route> (*routes)(const Services&)) : routes_(routes(services)) {}

  /// `target` is "/collections/docs/vectors/1?id_type=string"; nothing in it is percent-encoded.
  Reply call(Method method, std::string target, std::string body = {}, std::string content_type = {}) {
    Request request;
    request.method = method;
    request.content_type = std::move(content_type);
    request.request_id = "req-1";
    request.session_token = session_token;
    request.idempotency_key = idempotency_key;
    request.fingerprint = 77;
    request.has_origin = has_origin;
    if (const auto mark = target.find('?'); mark != std::string::npos) {
      for (const auto& pair : split(target.substr(mark + 1), '&')) {
        const auto equals = pair.find('=');
        request.query.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
      }
      target.resize(mark);
    }
    request.path = target;
    const auto size = body.size();
    body.append(Request::kBodyPadding, '}');  // what follows a body is not always zero
    request.body = std::string_view(body.data(), size);
    const Route* route = find(method, target, request.params);
    if (route == nullptr) {
      ADD_FAILURE() << "no route for " << target;
      return {};
    }
    last_route = route;
    const auto response = route->handler(request);
    return {response.status, nlohmann::json::parse(response.body), response.body, response.headers};
  }

  Reply post(const std::string& target, const std::string& body) { return call(Method::kPost, target, body); }

  MapAdmin admin;
  MapData data;
  OneNode cluster;
  MapSnapshots snapshots;
  MetricsRegistry metrics;
  config::LimitSettings limits;
  config::ServerSettings server;
  Services services{admin, data, cluster, snapshots, metrics, limits, server, [] {}, [] { return std::uint64_t{0}; },
                    "0",   "0"};
  std::string session_token, idempotency_key;
  bool has_origin = false;
  const Route* last_route = nullptr;

 private:
  static std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
    return parts;
  }

  /// Literal segments before placeholders, as the router has it.
  const Route* find(Method method, const std::string& path, std::vector<std::string>& params) {
    const Route* best = nullptr;
    for (const auto& route : routes_) {
      if (route.method != method) continue;
      std::vector<std::string> bound;
      if (!match(split(route.pattern, '/'), split(path, '/'), bound)) continue;
      if (best != nullptr && bound.size() >= params.size()) continue;
      best = &route;
      params = bound;
    }
    return best;
  }
  static bool match(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
                    std::vector<std::string>& bound) {
    if (pattern.size() != path.size()) return false;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (!pattern[i].empty() && pattern[i].front() == '{') {
        bound.push_back(path[i]);
      } else if (pattern[i] != path[i]) {
        return false;
      }
    }
    return true;
  }

  std::vector<Route> routes_;
};

/// One bad request and what the reply must say.
struct BadInput {
  const char* what;
  Method method;
  std::string target;
  std::string body;
  int status;
  const char* error_type;
  const char* field;  ///< details.field; empty where the error names none
};

}  // namespace vectorizer::rest::testing

/// Checks one table of bad inputs in a HandlerTest: status, error_type, field and the error's shape.
#define EXPECT_REFUSED(table)                                                     \
  for (const auto& bad : (table)) {                                               \
    SCOPED_TRACE(bad.what);                                                       \
    const auto reply = call(bad.method, bad.target, bad.body);                    \
    EXPECT_EQ(reply.status, bad.status) << reply.text;                            \
    EXPECT_EQ(reply.body.value("error_type", ""), bad.error_type) << reply.text;  \
    EXPECT_EQ(reply.body.value("status_code", 0), bad.status);                    \
    EXPECT_EQ(reply.body.value("request_id", ""), "req-1");                       \
    EXPECT_EQ(reply.body["details"].value("field", ""), bad.field) << reply.text; \
  }
