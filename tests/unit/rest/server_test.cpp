#include "vectorizer/rest/server.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "handler_fixture.hpp"
#include "http_client.hpp"
#include "openapi.hpp"

namespace vectorizer::rest::testing {
namespace {

using nlohmann::json;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    settings.port = 0;
    settings.io_threads = 1;
    settings.request_threads = 2;
  }
  void start() {
    auto started = start_server({settings, limits, admin, data, cluster, snapshots, metrics,
                                 [this] { metrics.gauge("refreshed", "test").Set(++refreshed); },
                                 [] { return std::uint64_t{12345}; }, "9.8.7", "abc123"});
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  HttpClient::Reply call(const std::string& request) { return HttpClient(server->port()).call(request); }

  config::ServerSettings settings;
  config::LimitSettings limits;
  MapAdmin admin;
  MapData data;
  OneNode cluster;
  MapSnapshots snapshots;
  MetricsRegistry metrics;
  int refreshed = 0;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, SaysWhatItIs) {
  start();

  EXPECT_EQ(call(get("/")).json(), json({{"name", "vectorizer"}, {"version", "9.8.7"}, {"commit", "abc123"}}));
  const auto health = call(get("/health")).json();
  EXPECT_EQ(health["status"], "healthy");
  EXPECT_EQ(health["node_id"], "node-1");
  EXPECT_GE(health["uptime_seconds"].get<double>(), 0);
  EXPECT_EQ(health["timestamp"].get<std::string>().size(), 20U);
  EXPECT_EQ(call(get("/health/live")).status, 200U);
  EXPECT_EQ(call(get("/health/ready")).json()["status"], "ready");
}

TEST_F(ServerTest, CreatesAndSearchesThroughTheWholeEdge) {
  start();

  EXPECT_EQ(call(post("/collections", R"({"name":"docs","dimension":3})")).status, 201U);
  EXPECT_EQ(call(post("/collections/docs/vectors", R"({"vectors":[{"id":1,"vector":[1,2,3]}]})")).status, 200U);
  const auto found = call(post("/collections/docs/search", R"({"vector":[1,0,0]})"));

  ASSERT_EQ(found.status, 200U) << found.body;
  EXPECT_EQ(found.json()["results"][0]["id"], 1);
}

TEST_F(ServerTest, StatsAreOfThisNodesShards) {
  cluster.all_shards[0].vectors = 5;
  cluster.all_shards[1].vectors = 7;
  cluster.all_shards[2].primary = NodeId("node-2");
  cluster.all_shards[2].replicas = {NodeId("node-2")};
  cluster.all_shards[2].vectors = 100;
  start();

  const auto stats = call(get("/stats")).json();

  EXPECT_EQ(stats["vectors"], 12);
  EXPECT_EQ(stats["shards"].size(), 2U);
  EXPECT_EQ(stats["memory"]["vectors_bytes"], 200);
  EXPECT_GT(stats["memory"]["resident_bytes"].get<std::uint64_t>(), 1U << 20);
  EXPECT_EQ(stats["disk"]["free_bytes"], 12345);
}

TEST_F(ServerTest, MetricsAreRefreshedBeforeTheyAreShown) {
  start();

  for (const char* path : {"/metrics", "/prometheus/metrics"}) {
    const auto reply = call(get(path));
    EXPECT_EQ(reply.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_NE(reply.body.find("refreshed " + std::to_string(refreshed)), std::string::npos);
    EXPECT_NE(reply.body.find(R"(vectorizer_build_info{commit="abc123",version="9.8.7"} 1)"), std::string::npos);
    EXPECT_NE(reply.body.find("vectorizer_http_queue_depth 0"), std::string::npos);
  }
  EXPECT_EQ(refreshed, 2);
}

/// "GET /collections/{}" of everything that can be called; names of placeholders do not matter.
std::string row(std::string method, const std::string& path) {
  std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string out = method + " ";
  bool inside = false;
  for (const char c : path) {
    if (c == '}') inside = false;
    if (!inside) out += c;
    if (c == '{') inside = true;
  }
  return out;
}

TEST_F(ServerTest, ContractAndRouterHaveTheSameOperations) {
  start();
  std::set<std::string> routed, documented;
  const Services services{
      admin, data, cluster, snapshots, metrics, limits, settings, [] {}, [] { return std::uint64_t{0}; }, "", ""};
  for (auto* topic :
       {service_routes, collection_routes, vector_routes, search_routes, cluster_routes, snapshot_routes}) {
    for (const auto& route : topic(services)) {
      routed.insert(row(std::string(method_name(route.method)), route.pattern));
    }
  }

  const auto contract = call(get("/openapi.json")).json();
  for (const auto& [path, item] : contract["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method != "parameters") documented.insert(row(method, path));
    }
  }

  EXPECT_GT(routed.size(), 20U);
  EXPECT_EQ(routed, documented);
}

void check_references(const json& node, const json& contract, std::set<std::string>& operation_ids) {
  if (node.is_object()) {
    if (const auto reference = node.find("$ref"); reference != node.end()) {
      const auto pointer = reference->get<std::string>().substr(1);
      EXPECT_TRUE(contract.contains(json::json_pointer(pointer))) << pointer;
    }
    if (const auto id = node.find("operationId"); id != node.end()) {
      EXPECT_TRUE(operation_ids.insert(id->get<std::string>()).second) << *id << " twice";
    }
  }
  if (!node.is_structured()) return;
  for (const auto& child : node) check_references(child, contract, operation_ids);
}

TEST_F(ServerTest, ContractsReferencesResolveAndPathParametersAreDeclared) {
  const auto text = yaml_to_json(openapi_yaml());
  ASSERT_TRUE(text) << text.error().message;
  const auto contract = json::parse(*text);

  std::set<std::string> operation_ids;
  check_references(contract, contract, operation_ids);
  EXPECT_GT(operation_ids.size(), 20U);
  for (const auto& [path, item] : contract["paths"].items()) {
    const auto placeholders = std::count(path.begin(), path.end(), '{');
    if (placeholders > 0) {
      EXPECT_GE(item.at("parameters").size(), static_cast<std::size_t>(placeholders)) << path;
    }
  }
}

TEST(YamlToJson, KeepsTypesAndQuotes) {
  const auto text = yaml_to_json("{a: 1, b: '1', c: 1.5, d: true, e: 'true', f: ~, g: [x, null], h: \"\"}");

  ASSERT_TRUE(text);
  EXPECT_EQ(json::parse(*text),
            json::parse(R"({"a":1,"b":"1","c":1.5,"d":true,"e":"true","f":null,"g":["x",null],"h":""})"));
  EXPECT_FALSE(yaml_to_json("{a: [}"));
}

}  // namespace
}  // namespace vectorizer::rest::testing
