#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

using coordinator::SnapshotScope;

class SnapshotRoutes : public HandlerTest {
 protected:
  SnapshotRoutes() : HandlerTest(snapshot_routes) {}
};

TEST_F(SnapshotRoutes, AreMadeWithAndWithoutABody) {
  const auto made = post("/api/v1/snapshots", R"({"name":"nightly"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.body["status"], "complete");
  const auto& snapshot = made.body["snapshot"];
  EXPECT_EQ(snapshot["id"], "nightly");
  EXPECT_EQ(snapshot["created_at"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(snapshot["bytes"], 300);
  EXPECT_EQ(snapshot["shared_bytes"], 100);
  EXPECT_EQ(snapshot["shards"], nlohmann::json::parse(R"([{"shard_id":4,"term":2,"sequence":17}])"));
  EXPECT_EQ(snapshot["nodes"][0],
            nlohmann::json::parse(
                R"({"node":"node-1","status":"complete","path":"/data/snapshots/nightly","bytes":300,"shared_bytes":100,
                    "files":3,"checksum":"00000000000000ff","verified_at":null,"problems":[]})"));
  EXPECT_EQ(snapshot["nodes"][1],
            nlohmann::json::parse(R"({"node":"node-2","status":"missing","problems":["does not answer"]})"));
  EXPECT_EQ(post("/api/v1/snapshots", "").body["snapshot"]["id"], "made-up");
  EXPECT_EQ(post("/api/v1/snapshots", R"({"scope":"node"})").status, 409);
  EXPECT_EQ(snapshots.last_scope, SnapshotScope::kNode);
  EXPECT_EQ(last_route->run_on, RunOn::kRequestLane);
}

TEST_F(SnapshotRoutes, OneThatIsStillBeingMadeIsAccepted) {
  snapshots.state = peer::SnapshotState::kCreating;
  EXPECT_EQ(post("/api/v1/snapshots", "").status, 202);
  EXPECT_EQ(post("/api/v1/snapshots/made-up/verify", "").status, 202);
}

TEST_F(SnapshotRoutes, AreListedShownVerifiedAndDeleted) {
  post("/api/v1/snapshots", R"({"name":"a"})");
  post("/api/v1/snapshots", R"({"name":"b"})");
  EXPECT_EQ(call(Method::kGet, "/api/v1/snapshots").body["snapshots"].size(), 2U);
  EXPECT_EQ(call(Method::kGet, "/api/v1/snapshots/a?scope=node").body["id"], "a");
  EXPECT_EQ(snapshots.last_scope, SnapshotScope::kNode);
  EXPECT_EQ(post("/api/v1/snapshots/a/verify", "{}").body["status"], "complete");
  EXPECT_EQ(call(Method::kDelete, "/api/v1/snapshots/a").body["status"], "deleted");
  EXPECT_EQ(snapshots.last_scope, SnapshotScope::kCluster);
  EXPECT_EQ(call(Method::kGet, "/api/v1/snapshots/a").status, 404);
  EXPECT_EQ(call(Method::kDelete, "/api/v1/snapshots/a").status, 404);
  EXPECT_EQ(post("/api/v1/snapshots/a/verify", "").status, 404);
}

TEST_F(SnapshotRoutes, EveryWrongRequestNamesWhatIsWrong) {
  for (const auto& [body, field] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "body"}, {R"({"nmae":"x"})", "nmae"}, {R"({"name":3})", "name"}, {R"({"scope":"x"})", "scope"}}) {
    const auto reply = post("/api/v1/snapshots", body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(reply.body["details"]["field"], field) << body;
  }
  EXPECT_EQ(post("/api/v1/snapshots?scope=node", "").status, 400);
  EXPECT_EQ(call(Method::kGet, "/api/v1/snapshots?scope=all").status, 400);
  EXPECT_EQ(call(Method::kGet, "/api/v1/snapshots?x=1").status, 400);
  EXPECT_EQ(post("/api/v1/snapshots/a/verify", R"({"x":1})").status, 400);
  snapshots.error = Error{ErrorType::kStorageFull, "full"};
  EXPECT_EQ(post("/api/v1/snapshots", "").status, 503);
}

}  // namespace
}  // namespace vectorizer::rest::testing
