#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

class ServiceRoutes : public HandlerTest {
 protected:
  ServiceRoutes() : HandlerTest(service_routes) {}
};

TEST_F(ServiceRoutes, ReadinessSaysWhatIsMissingEachTimeAnew) {
  EXPECT_EQ(call(Method::kGet, "/health/ready").body, nlohmann::json::parse(R"({"status":"ready"})"));

  cluster.problems = {"shard 3 of collection 'docs': recovering", "draining: the process is stopping"};
  const auto waiting = call(Method::kGet, "/health/ready");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_EQ(waiting.body["details"]["not_ready"], nlohmann::json(cluster.problems));
  EXPECT_EQ(waiting.header("Retry-After"), "1");
  for (const auto* path : {"/health", "/health/live"}) EXPECT_EQ(call(Method::kGet, path).status, 200) << path;

  cluster.problems.clear();
  EXPECT_EQ(call(Method::kGet, "/health/ready").status, 200);
}

TEST_F(ServiceRoutes, HealthWarnsOfWhatIsUnsafe) {
  EXPECT_FALSE(call(Method::kGet, "/health").body.contains("warning"));
  cluster.unsafe = {"cluster.secret is not set"};
  const auto reply = call(Method::kGet, "/health");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["warning"], "cluster.secret is not set");
}

}  // namespace
}  // namespace vectorizer::rest::testing
