#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

using nlohmann::json;

class ClusterRoutes : public HandlerTest {
 protected:
  ClusterRoutes() : HandlerTest(cluster_routes) {}
  Reply get(const std::string& path) { return call(Method::kGet, kBase + path); }

  const std::string kBase = "/api/v1/cluster";
};

TEST_F(ClusterRoutes, NodesListThisOne) {
  const auto listed = json::parse(R"({"id":"node-1","address":"127.0.0.1","grpc_port":15003,"status":"active",
      "role":"leader","shard_count":3,"vector_count":7,"rest_port":15002,"last_seen":"2023-11-14T22:13:20.123Z",
      "version":"0.1.0"})");
  EXPECT_EQ(get("/nodes").body, (json{{"nodes", json::array({listed})}}));
  auto detailed = listed;
  detailed["shards"] = {0, 1, 2};
  detailed["uptime_seconds"] = 1.5;
  EXPECT_EQ(get("/nodes/node-1").body, detailed);
}

TEST_F(ClusterRoutes, DistributionCountsPrimariesAndCopies) {
  cluster.all_shards[2].primary = NodeId();
  cluster.all_shards[2].in_sync.clear();
  const auto body = get("/shard-distribution").body;
  EXPECT_EQ(body["distribution"], json::parse(R"({"node-1":[0,1]})"));
  EXPECT_EQ(body["total_shards"], 3);
  EXPECT_EQ(body["nodes"], 1);
  EXPECT_EQ(body["shards_per_node"], json::parse(R"({"node-1":2})"));
  EXPECT_EQ(body["replicas_per_node"], json::parse(R"({"node-1":3})"));
  EXPECT_EQ(body["shards"][1], json::parse(R"({"shard_id":1,"collection":"docs","primary":"node-1",
      "replicas":["node-1"],"in_sync":["node-1"],"term":1,"vector_count":0})"));
  EXPECT_TRUE(body["shards"][2]["primary"].is_null());
}

TEST_F(ClusterRoutes, RebalanceWorksWithAndWithoutABody) {
  auto reply = post(kBase + "/rebalance", "");
  EXPECT_EQ(reply.body["status"], "success");
  EXPECT_EQ(reply.body["migrations"], json::array());
  EXPECT_FALSE(cluster.forced || cluster.dry);
  coordinator::Migration migration;
  migration.id = 9;
  migration.shard = ShardId(2);
  migration.from = NodeId("node-1");
  migration.to = NodeId("node-2");
  migration.state = "copying";
  migration.cause = "rebalance";
  migration.vectors_total = 10;
  migration.bytes_done = 1;
  migration.bytes_total = 4;
  migration.started_ms = 1700000000123;
  cluster.moving = {migration};
  reply = post(kBase + "/rebalance", R"({"force":true,"dry_run":true})");
  EXPECT_TRUE(cluster.forced && cluster.dry);
  EXPECT_EQ(reply.body["migrations"], json::parse(R"([{"id":9,"shard_id":2,"from_node":"node-1","to_node":"node-2","kind":"copy",
      "cause":"rebalance","state":"copying"}])"));
  const auto row = get("/migrations").body["migrations"][0];
  EXPECT_EQ(row["state"], "copying");
  EXPECT_EQ(row["vectors_done"], 0);
  EXPECT_EQ(row["vectors_total"], 10);
  EXPECT_EQ(row["progress"], 0.25);
  EXPECT_TRUE(row["eta_seconds"].is_null());
  EXPECT_TRUE(row["ended_at"].is_null());
  EXPECT_EQ(row["started_at"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(call(Method::kDelete, kBase + "/migrations/9").status, 200);
  EXPECT_EQ(cluster.cancelled, 9U);
}

TEST_F(ClusterRoutes, ANodeThatNobodyHasHeardOfHasNoTime) {
  cluster.members[0].last_seen_ms = std::nullopt;
  cluster.members[0].uptime_seconds = std::nullopt;
  cluster.members[0].servers_hash = 0xab;
  const auto node = get("/nodes/node-1").body;
  EXPECT_TRUE(node["last_seen"].is_null());
  EXPECT_TRUE(node["uptime_seconds"].is_null());
  EXPECT_EQ(node["servers_hash"], "00000000000000ab");
}

TEST_F(ClusterRoutes, SyncClaimsAgreementOnlyWhenEveryMemberAnsweredTheSame) {
  EXPECT_EQ(post(kBase + "/sync", "").body,
            json::parse(R"({"status":"success","nodes":{"node-1":{"version":41,"digest":"abcd"}},"in_sync":true})"));
  cluster.synced.push_back({NodeId("node-2"), 41, "abcd", ""});
  EXPECT_EQ(post(kBase + "/sync", "{}").body["in_sync"], true);
  cluster.synced[1].digest = "abce";
  EXPECT_EQ(post(kBase + "/sync", "").body["in_sync"], false);
  cluster.synced[1] = {NodeId("node-2"), 40, "abcd", ""};
  EXPECT_EQ(post(kBase + "/sync", "").body["in_sync"], false);
  cluster.synced[1] = {NodeId("node-2"), std::nullopt, "", "it does not answer"};
  const auto body = post(kBase + "/sync", "").body;
  EXPECT_EQ(body["in_sync"], false);
  EXPECT_EQ(body["nodes"]["node-2"], json::parse(R"({"version":null,"digest":null,"error":"it does not answer"})"));
}

TEST_F(ClusterRoutes, LeaderAndRole) {
  EXPECT_EQ(get("/leader").body["leader"], "node-1");
  EXPECT_EQ(get("/role").body, json::parse(R"({"node_id":"node-1","role":"leader"})"));
  cluster.lead = NodeId();
  EXPECT_EQ(get("/leader").body["error_type"], "no_leader");
  EXPECT_EQ(get("/role").body["role"], "follower");
}

TEST_F(ClusterRoutes, AShardShowsEachCopyAndWhatIsNotKnownOfIt) {
  coordinator::CopyView primary;
  primary.node = NodeId("node-1");
  primary.primary = primary.answered = true;
  primary.role = "in_sync";
  primary.sequence = 41;
  primary.vectors = 5;
  primary.vector_bytes = 100;
  primary.digest = "d1";
  primary.digest_sequence = 40;
  coordinator::CopyView away;
  away.node = NodeId("node-2");
  away.role = "stale";
  away.digest_problem = "away";
  cluster.detail.copies = {primary, away};
  cluster.detail.copies_equal = true;
  const auto shard = get("/shards/1").body;
  EXPECT_TRUE(cluster.digested);
  EXPECT_EQ(shard["copies_equal"], true);
  EXPECT_EQ(shard["copies"], json::parse(R"([
    {"node":"node-1","role":"primary","state":"in_sync","in_sync":true,"term":1,"sequence":41,"vector_count":5,
     "size_bytes":100,"digest":"d1","digest_sequence":40},
    {"node":"node-2","role":"replica","state":"stale","in_sync":false,"term":1,"sequence":null,"vector_count":null,
     "size_bytes":null,"digest":null,"digest_problem":"away"}])"));
  cluster.detail.copies_equal = std::nullopt;
  EXPECT_FALSE(get("/shards/1?digest=false").body.contains("copies_equal"));
  EXPECT_FALSE(cluster.digested);
}

TEST_F(ClusterRoutes, AllocateGivesAShardWithoutAPrimaryToANode) {
  cluster.all_shards[1].primary = NodeId();
  const auto reply = post(kBase + "/shards/1/allocate", R"({"node":"node-1","mode":"empty","accept_data_loss":true})");
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(cluster.allocated, (std::pair{NodeId("node-1"), true}));
}

TEST_F(ClusterRoutes, StatusShowsWhatTheClusterSays) {
  cluster.state.light = "yellow";
  cluster.state.shards = {6, 1, 2};
  cluster.state.nodes = 3;
  cluster.state.active_nodes = 2;
  cluster.state.term = 7;
  cluster.state.epoch = 41;
  cluster.state.other_lists = {NodeId("node-3")};
  cluster.state.notes = {"something"};
  cluster.state.quarantined = {{ShardId(3), NodeId("node-2"), "a wrong checksum"}};
  EXPECT_EQ(get("/status").body, json::parse(R"({"status":"yellow","total_shards":6,"under_replicated_shards":2,
      "unassigned_shards":1,"nodes":3,"active_nodes":2,"leader":null,"term":7,"formed":true,"metadata_version":41,
      "other_servers":["node-3"],"notes":["something"],
      "quarantined":[{"shard_id":3,"node":"node-2","reason":"a wrong checksum"}]})"));
}

TEST_F(ClusterRoutes, AddNode) {
  const auto reply = post(kBase + "/nodes", R"({"id":"node-2","address":"10.0.0.2","grpc_port":15003})");
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.body["status"], "success");
  EXPECT_EQ(reply.body["node"]["address"], "10.0.0.2");
}

TEST_F(ClusterRoutes, RemoveNodePassesForce) {
  call(Method::kDelete, kBase + "/nodes/node-1?force=true");
  EXPECT_TRUE(cluster.forced);
  call(Method::kDelete, kBase + "/nodes/node-1");
  EXPECT_FALSE(cluster.forced);
}

TEST_F(ClusterRoutes, ARemovalByForceSaysWhatIsLost) {
  cluster.removal.emplace();
  auto body = call(Method::kDelete, kBase + "/nodes/node-1?force=true").body;
  EXPECT_EQ(body["lost"], json::array());
  EXPECT_NE(body["message"].get<std::string>().find("nothing is lost"), std::string::npos);
  cluster.removal->lost = {{ShardId(4), "docs", {NodeId("node-2")}}};
  cluster.removal->note = "two nodes";
  body = call(Method::kDelete, kBase + "/nodes/node-1?force=true").body;
  EXPECT_EQ(body["lost"], json::parse(R"([{"shard_id":4,"collection":"docs","older_copies":["node-2"]}])"));
  EXPECT_EQ(body["note"], "two nodes");
  EXPECT_FALSE(call(Method::kDelete, kBase + "/nodes/node-1").body.contains("lost")) << "a drain loses nothing";
}

TEST_F(ClusterRoutes, ADrainIsCancelledOnce) {
  cluster.draining = true;
  EXPECT_EQ(post(kBase + "/nodes/node-1/cancel-drain", "").status, 200);
  EXPECT_EQ(post(kBase + "/nodes/node-1/cancel-drain", "").body["error_type"], "conflict");
}

TEST_F(ClusterRoutes, BadInputNamesItsField) {
  const auto post_ = Method::kPost;
  const auto get_ = Method::kGet;
  const auto nodes = kBase + "/nodes";
  std::vector<BadInput> table{
      {"node", get_, nodes + "/node-9", "", 404, "node_not_found", ""},
      {"node that is not UTF-8", get_, nodes + "/\xff", "", 404, "node_not_found", ""},
      {"add json", post_, nodes, "{", 400, "bad_json", ""},
      {"add list", post_, nodes, "[]", 400, "validation_error", "body"},
      {"add without id", post_, nodes, R"({"address":"a","grpc_port":1})", 400, "validation_error", "id"},
      {"add id", post_, nodes, R"({"id":"a b","address":"a","grpc_port":1})", 400, "validation_error", "id"},
      {"add id type", post_, nodes, R"({"id":7,"address":"a","grpc_port":1})", 400, "validation_error", "id"},
      {"add address", post_, nodes, R"({"id":"a","grpc_port":1})", 400, "validation_error", "address"},
      {"add empty address", post_, nodes, R"({"id":"a","address":"","grpc_port":1})", 400, "validation_error",
       "address"},
      {"add without port", post_, nodes, R"({"id":"a","address":"a"})", 400, "validation_error", "grpc_port"},
      {"add port", post_, nodes, R"({"id":"a","address":"a","grpc_port":65536})", 400, "validation_error", "grpc_port"},
      {"add port type", post_, nodes, R"({"id":"a","address":"a","grpc_port":"1"})", 400, "validation_error",
       "grpc_port"},
      {"add unknown", post_, nodes, R"({"id":"a","host":"a","grpc_port":1})", 400, "validation_error", "host"},
      {"add again", post_, nodes, R"({"id":"node-1","address":"a","grpc_port":1})", 409, "node_already_exists", ""},
      {"last node", Method::kDelete, nodes + "/node-1", "", 400, "validation_error", "id"},
      {"remove unknown", Method::kDelete, nodes + "/node-9", "", 404, "node_not_found", ""},
      {"remove flag", Method::kDelete, nodes + "/node-1?force=1", "", 400, "validation_error", "force"},
      {"cancel drain of unknown", post_, nodes + "/node-9/cancel-drain", "", 404, "node_not_found", ""},
      {"cancel no drain", post_, nodes + "/node-1/cancel-drain", "", 409, "conflict", ""},
      {"rebalance json", post_, kBase + "/rebalance", "{", 400, "bad_json", ""},
      {"rebalance flag", post_, kBase + "/rebalance", R"({"force":1})", 400, "validation_error", "force"},
      {"rebalance dry", post_, kBase + "/rebalance", R"({"dry_run":"x"})", 400, "validation_error", "dry_run"},
      {"rebalance unknown", post_, kBase + "/rebalance", R"({"dry":true})", 400, "validation_error", "dry"},
      {"sync json", post_, kBase + "/sync", "{", 400, "bad_json", ""},
      {"sync unknown", post_, kBase + "/sync", R"({"force":true})", 400, "validation_error", "force"},
      {"migration", Method::kDelete, kBase + "/migrations/9", "", 404, "not_found", ""},
      {"migration id", Method::kDelete, kBase + "/migrations/x", "", 400, "validation_error", "migration_id"},
      {"shard", get_, kBase + "/shards/99", "", 404, "not_found", ""},
      {"shard id", get_, kBase + "/shards/-1", "", 400, "validation_error", "shard_id"},
      {"allocate unknown", post_, kBase + "/shards/99/allocate", "{}", 404, "not_found", ""},
      {"allocate json", post_, kBase + "/shards/1/allocate", "{", 400, "bad_json", ""},
      {"allocate node", post_, kBase + "/shards/1/allocate", R"({"mode":"stale"})", 400, "validation_error", "node"},
      {"allocate mode", post_, kBase + "/shards/1/allocate", R"({"node":"node-1","mode":"x"})", 400, "validation_error",
       "mode"},
      {"allocate without consent", post_, kBase + "/shards/1/allocate", R"({"node":"node-1","mode":"empty"})", 400,
       "validation_error", "accept_data_loss"},
      {"allocate to nobody", post_, kBase + "/shards/1/allocate",
       R"({"node":"node-9","mode":"empty","accept_data_loss":true})", 404, "node_not_found", ""},
      {"allocate what is served", post_, kBase + "/shards/1/allocate",
       R"({"node":"node-1","mode":"empty","accept_data_loss":true})", 409, "conflict", ""},
  };
  for (const char* path :
       {"/nodes", "/nodes/node-1", "/shard-distribution", "/migrations", "/shards/1", "/leader", "/role", "/status"}) {
    table.push_back({path, get_, kBase + path + "?x=1", "", 400, "validation_error", "x"});
  }
  for (const char* path : {"/nodes", "/rebalance", "/sync", "/nodes/node-1/cancel-drain", "/shards/1/allocate"}) {
    table.push_back({path, post_, kBase + path + "?x=1", "{}", 400, "validation_error", "x"});
  }
  for (const char* path : {"/nodes/node-1", "/migrations/1"}) {
    table.push_back({path, Method::kDelete, kBase + path + "?x=1", "", 400, "validation_error", "x"});
  }
  EXPECT_REFUSED(table);
}

}  // namespace
}  // namespace vectorizer::rest::testing
