#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

using nlohmann::json;

class CollectionRoutes : public HandlerTest {
 protected:
  CollectionRoutes() : HandlerTest(collection_routes) {}
};

const std::string kAll = "/collections";
const std::string kDocs = "/collections/docs";

TEST_F(CollectionRoutes, CreateShowsTheWholeCollection) {
  const auto reply = post(kAll, R"({"name":"docs","dimension":512})");
  ASSERT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(reply.body["status"], "created");
  const auto& shown = reply.body["collection"];
  EXPECT_EQ(shown["name"], "docs");
  EXPECT_EQ(shown["dimension"], 512);
  EXPECT_EQ(shown["metric"], "cosine");
  EXPECT_EQ(shown["hnsw"], json::parse(R"({"m":16,"ef_construction":200,"ef_search":64})"));
  EXPECT_EQ(shown["storage"], "memory");
  EXPECT_EQ(shown["created_at"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(shown["status"], "green");
  EXPECT_EQ(shown["vector_count"], 0);
  EXPECT_EQ(shown["indexed_vector_count"], 0);
  EXPECT_EQ(shown["shards"], json::parse(R"({"total":1,"active":1,"under_replicated":0})"));
  EXPECT_EQ(call(Method::kGet, kDocs).body, shown);
  EXPECT_EQ(last_route->run_on, RunOn::kRequestLane);
}

TEST_F(CollectionRoutes, ListIsByName) {
  EXPECT_EQ(call(Method::kGet, kAll).body, json::parse(R"({"collections":[],"total_collections":0})"));
  post(kAll, R"({"name":"b","dimension":2})");
  post(kAll, R"({"name":"a","dimension":3})");
  const auto reply = call(Method::kGet, kAll);
  EXPECT_EQ(reply.body["total_collections"], 2);
  EXPECT_EQ(reply.body["collections"][0]["name"], "a");
  EXPECT_EQ(reply.body["collections"][1]["name"], "b");
}

TEST_F(CollectionRoutes, PatchChangesWhatMayChange) {
  post(kAll, R"({"name":"docs","dimension":512})");
  const auto reply = call(Method::kPatch, kDocs, R"({"hnsw":{"ef_search":128}})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["collection"]["hnsw"]["ef_search"], 128);
  EXPECT_EQ(call(Method::kGet, kDocs).body["hnsw"]["ef_search"], 128);
}

TEST_F(CollectionRoutes, DropRemoves) {
  post(kAll, R"({"name":"docs","dimension":512})");
  EXPECT_EQ(call(Method::kDelete, kDocs).text, R"({"status":"deleted"})");
  EXPECT_EQ(call(Method::kGet, kDocs).status, 404);
}

TEST_F(CollectionRoutes, CreateSaysWhatAClientShouldKnowOfTheCluster) {
  EXPECT_FALSE(post(kAll, R"({"name":"a","dimension":2})").body.contains("note"));
  cluster.a_note = "two nodes have no fault tolerance";
  EXPECT_EQ(post(kAll, R"({"name":"b","dimension":2})").body["note"], cluster.a_note);
}

TEST_F(CollectionRoutes, BodyTypes) {
  EXPECT_EQ(call(Method::kPost, kAll, "{}", "application/octet-stream").status, 415);
  post(kAll, R"({"name":"docs","dimension":512})");
  EXPECT_EQ(call(Method::kPatch, kDocs, "{}", "text/plain").status, 415);
}

TEST_F(CollectionRoutes, BadInputNamesItsField) {
  post(kAll, R"({"name":"docs","dimension":512})");
  const auto create = Method::kPost;
  const std::vector<BadInput> table{
      {"bad json", create, kAll, R"({"name")", 400, "bad_json", ""},
      {"no body", create, kAll, "", 400, "bad_json", ""},
      {"no dimension", create, kAll, R"({"name":"a"})", 400, "validation_error", "dimension"},
      {"typo", create, kAll, R"({"name":"a","dimensions":3})", 400, "validation_error", "dimensions"},
      {"no name", create, kAll, R"({"dimension":3})", 400, "validation_error", "name"},
      {"name", create, kAll, R"({"name":"a/b","dimension":3})", 400, "validation_error", "name"},
      {"dimension", create, kAll, R"({"name":"a","dimension":65537})", 400, "validation_error", "dimension"},
      {"metric", create, kAll, R"({"name":"a","dimension":3,"metric":"l2"})", 400, "validation_error", "metric"},
      {"hnsw", create, kAll, R"({"name":"a","dimension":3,"hnsw":{"m":1}})", 400, "validation_error", "hnsw.m"},
      {"sharding", create, kAll, R"({"name":"a","dimension":3,"sharding":{"shard_count":0}})", 400, "validation_error",
       "sharding.shard_count"},
      {"exists", create, kAll, R"({"name":"docs","dimension":3})", 409, "collection_already_exists", ""},
      {"query of create", create, kAll + "?wait=1", "{}", 400, "validation_error", "wait"},
      {"query of list", Method::kGet, kAll + "?limit=1", "", 400, "validation_error", "limit"},
      {"query of get", Method::kGet, kDocs + "?x=1", "", 400, "validation_error", "x"},
      {"get", Method::kGet, "/collections/none", "", 404, "collection_not_found", ""},
      {"get, not a name", Method::kGet, "/collections/\xff", "", 404, "collection_not_found", ""},
      {"patch json", Method::kPatch, kDocs, "{", 400, "bad_json", ""},
      {"patch dimension", Method::kPatch, kDocs, R"({"dimension":3})", 400, "validation_error", "dimension"},
      {"patch m", Method::kPatch, kDocs, R"({"hnsw":{"m":32}})", 400, "validation_error", "hnsw.m"},
      {"patch none", Method::kPatch, "/collections/none", "{", 404, "collection_not_found", ""},
      {"query of patch", Method::kPatch, kDocs + "?x=1", "{}", 400, "validation_error", "x"},
      {"drop", Method::kDelete, "/collections/none", "", 404, "collection_not_found", ""},
      {"query of drop", Method::kDelete, kDocs + "?force=true", "", 400, "validation_error", "force"},
  };
  EXPECT_REFUSED(table);
  EXPECT_EQ(admin.all.size(), 1U);
}

}  // namespace
}  // namespace vectorizer::rest::testing
