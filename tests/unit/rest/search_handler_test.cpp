#include <cstring>
#include <limits>

#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

using nlohmann::json;

class SearchRoutes : public HandlerTest {
 protected:
  SearchRoutes() : HandlerTest(search_routes) {
    add(PointId(1), {1, 0, 0}, R"({"color": "red"})");
    add(PointId(2), {0.5F, 0, 0}, R"({"color": "blue"})");
    add(PointId(std::string("a")), {0.25F, 0, 0}, "");
  }
  void add(PointId id, std::vector<float> vector, std::string payload) {
    data.points[id] = Point{id, std::move(vector), std::move(payload)};
  }
};

const std::string kSearch = "/collections/docs/search";
const std::string kBatch = "/collections/docs/search/batch";

TEST_F(SearchRoutes, RepliesBestFirstWithPayloadShardsAndTime) {
  const auto reply = post(kSearch, R"({"vector":[1,0,0]})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["results"], json::parse(R"([{"id":1,"score":1.0,"payload":{"color":"red"}},
                                                    {"id":2,"score":0.5,"payload":{"color":"blue"}},
                                                    {"id":"a","score":0.25,"payload":{}}])"));
  EXPECT_EQ(reply.body["shards"], json::parse(R"({"total":2,"successful":2,"failed":0,"failures":[]})"));
  EXPECT_GE(reply.body["took_ms"].get<double>(), 0);
  EXPECT_EQ(last_route->run_on, RunOn::kIoThread);
}

TEST_F(SearchRoutes, EveryOptionReachesTheQuery) {
  const auto reply = post(kSearch, R"({"limit":1,"offset":1,"filter":{"must":[{"key":"color","exists":true}]},
    "with_payload":["color"],"with_vector":true,"score_threshold":-0.5,"timeout_ms":60000,"allow_partial":true,
    "params":{"ef":77,"exact":true,"rescore":false},"consistency":"primary","vector":[1,0,0]})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.body["results"],
            json::parse(R"([{"id":2,"score":0.5,"payload":{"color":"blue"},"vector":[0.5,0,0]}])"));
  const auto& query = data.searched.at(0);
  EXPECT_EQ(query.limit, 1U);
  EXPECT_EQ(query.offset, 1U);
  EXPECT_EQ(query.projection.payload_keys, std::vector<std::string>{"color"});
  EXPECT_EQ(query.score_threshold, -0.5F);
  EXPECT_EQ(query.deadline.timeout_ms(), 60000U);
  EXPECT_TRUE(query.allow_partial && query.exact);
  EXPECT_EQ(query.ef, 77U);
  EXPECT_EQ(query.rescore, false);
}

TEST_F(SearchRoutes, DefaultsAreThoseOfTheContract) {
  ASSERT_EQ(post(kSearch, R"({"vector":[1,0,0],"with_payload":false})").body["results"][0],
            json::parse(R"({"id":1,"score":1.0})"));
  const auto& query = data.searched.at(0);
  EXPECT_EQ(query.limit, 10U);
  EXPECT_EQ(query.offset, 0U);
  EXPECT_FALSE(query.allow_partial || query.exact || query.rescore || query.ef || query.score_threshold);
  EXPECT_EQ(query.deadline.timeout_ms(), server.read_timeout_ms);
}

TEST_F(SearchRoutes, AScoreThatOverflowsIsANumber) {
  add(PointId(3), {3e38F, 0, 0}, "");
  add(PointId(4), {-3e38F, 0, 0}, "");
  const auto reply = post(kSearch, R"({"vector":[10,0,0]})");
  const auto& results = reply.body["results"];
  EXPECT_EQ(results[0]["score"].get<float>(), std::numeric_limits<float>::max());
  EXPECT_EQ(results[4]["score"].get<float>(), std::numeric_limits<float>::lowest());
}

TEST_F(SearchRoutes, ShardsThatFailedAreNamed) {
  data.failures.push_back({ShardId(5), Error{ErrorType::kTimeout, "too \"slow\""}});
  const auto reply = post(kSearch, R"({"vector":[1,0,0],"allow_partial":true})");
  EXPECT_EQ(reply.body["shards"], json::parse(R"({"total":2,"successful":1,"failed":1,"failures":[
      {"shard_id":5,"error_type":"timeout","message":"too \"slow\""}]})"));
}

TEST_F(SearchRoutes, TheDeadlineRunsFromTheArrivalOfTheRequest) {
  const auto before = Deadline::Clock::now();
  post(kSearch, R"({"vector":[1,0,0],"timeout_ms":250})");
  post(kBatch, R"({"searches":[{"vector":[1,0,0],"timeout_ms":250},{"vector":[1,0,0]}]})");
  const auto after = Deadline::Clock::now();
  ASSERT_EQ(data.searched.size(), 3U);
  for (const auto& query : data.searched) {
    const auto start = query.deadline.at() - std::chrono::milliseconds(query.deadline.timeout_ms());
    EXPECT_TRUE(start >= before && start <= after);
  }
  EXPECT_EQ(data.searched[2].deadline.timeout_ms(), server.read_timeout_ms);
  EXPECT_EQ(data.searched[1].deadline.at() - std::chrono::milliseconds(250),
            data.searched[2].deadline.at() - std::chrono::milliseconds(server.read_timeout_ms));
}

TEST_F(SearchRoutes, ATimeoutIs504AndInABatchOneEntry) {
  data.search_error = Deadline(Deadline::Clock::now(), 250).error();
  const auto reply = post(kSearch, R"({"vector":[1,0,0]})");
  EXPECT_EQ(reply.status, 504);
  EXPECT_EQ(reply.body["error_type"], "timeout");
  EXPECT_EQ(reply.body["details"], json::parse(R"({"timeout_ms":250})"));
  data.searched.clear();
  const auto batch = post(kBatch, R"({"searches":[{"vector":[1,0,0]},{"vector":[1,0,0]}]})");
  EXPECT_EQ(batch.body["results"][0]["error"]["status_code"], 504);
  EXPECT_TRUE(batch.body["results"][1].contains("results"));
}

TEST_F(SearchRoutes, ABatchStopsAnsweringAtTheSizeOfAReply) {
  server.max_reply_bytes = 2000;
  add(PointId(3), {9, 0, 0}, R"({"long":")" + std::string(1000, 'x') + R"("})");
  const std::string one = R"({"vector":[1,0,0],"limit":1})";
  const auto reply = post(kBatch, R"({"searches":[)" + one + "," + one + R"(,{"vector":[-1,0,0],"limit":1}]})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_TRUE(reply.body["results"][0].contains("results"));
  EXPECT_EQ(reply.body["results"][1]["error"]["error_type"], "payload_too_large");
  EXPECT_EQ(reply.body["results"][1]["error"]["details"]["limit_bytes"], 2000);
  EXPECT_TRUE(reply.body["results"][2].contains("results"));
  EXPECT_EQ(data.searched[0].projection.max_bytes, 2000U);
}

TEST_F(SearchRoutes, BinaryBody) {
  std::string body("VZS1\2\0\0\0\3\0\0\0\0\0\0\0", 16);
  const float query[] = {1, 0, 0};
  body.append(reinterpret_cast<const char*>(query), sizeof query);
  const auto octets = "application/octet-stream";
  EXPECT_EQ(call(Method::kPost, kSearch, body, octets).body["results"].size(), 2U);
  auto none = body;
  none[4] = 0;
  EXPECT_EQ(call(Method::kPost, kSearch, none, octets).body["details"]["field"], "limit");
  EXPECT_EQ(call(Method::kPost, kSearch, body + "x", octets).body["details"]["field"], "body");
  EXPECT_EQ(call(Method::kPost, kSearch, "VZU1" + body.substr(4), octets).body["details"]["field"], "body");
  EXPECT_EQ(call(Method::kPost, kBatch, body, octets).status, 415);
}

TEST_F(SearchRoutes, BatchAnswersEachSearchInOrder) {
  const auto reply = post(kBatch, R"({"searches":[{"vector":[1,0,0],"limit":1},{"vector":[-1,0,0],"limit":1}]})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  ASSERT_EQ(reply.body["results"].size(), 2U);
  EXPECT_EQ(reply.body["results"][0]["results"][0]["id"], 1);
  EXPECT_EQ(reply.body["results"][1]["results"][0]["id"], "a");
  EXPECT_EQ(reply.body["results"][1]["shards"]["total"], 2);
}

TEST_F(SearchRoutes, BatchShowsAFailureInItsPlace) {
  data.search_error = Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id", 3);
  data.search_error_at = 2;
  const auto one = std::string(R"({"vector":[1,0,0],"limit":1})");
  const auto reply = post(kBatch, R"({"searches":[)" + one + "," + one + "," + one + "]}");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_TRUE(reply.body["results"][0].contains("results"));
  EXPECT_EQ(reply.body["results"][1]["error"]["error_type"], "shard_unavailable");
  EXPECT_EQ(reply.body["results"][1]["error"]["details"]["shard_id"], 3);
  EXPECT_TRUE(reply.body["results"][2].contains("results"));
}

TEST_F(SearchRoutes, AFailedSearchIsPassedOn) {
  data.search_error = Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id", 3);
  const auto reply = post(kSearch, R"({"vector":[1,0,0]})");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body["details"]["shard_id"], 3);
}

TEST_F(SearchRoutes, ABatchWithOneBadSearchAsksNothing) {
  const auto reply = post(kBatch, R"({"searches":[{"vector":[1,0,0]},{"vector":[1,0]}]})");
  EXPECT_EQ(reply.body["error_type"], "dimension_mismatch");
  EXPECT_EQ(reply.body["details"], json::parse(R"({"expected":3,"actual":2,"index":1})"));
  EXPECT_TRUE(data.searched.empty());
}

TEST_F(SearchRoutes, ALargeBodyIsReadWhole) {
  data.dimension = 65536;
  data.points.clear();
  std::string body = R"({"vector":[)";
  for (int i = 0; i < 65536; ++i) body += (i > 0 ? "," : "") + std::to_string(i) + ".125";
  ASSERT_EQ(post(kSearch, body + "]}").status, 200);
  EXPECT_EQ(data.searched.at(0).vector.at(65535), 65535.125F);
  EXPECT_EQ(post(kSearch, body + ",1]}").body["details"], json::parse(R"({"expected":65536,"actual":65537})"));
}

TEST_F(SearchRoutes, BadInputNamesItsField) {
  limits.max_batch_searches = 2;
  const auto with = [](const std::string& member) { return R"({"vector":[1,0,0],)" + member + "}"; };
  struct Row {
    std::string member, field;
  };
  const std::vector<Row> members{
      {R"("limit":0)", "limit"},
      {R"("limit":10001)", "limit"},
      {R"("limit":"10")", "limit"},
      {R"("limit":-1)", "limit"},
      {R"("limit":1.0)", "limit"},
      {R"("limit":null)", "limit"},
      {R"("offset":-1)", "offset"},
      {R"("offset":10000)", "offset"},
      {R"("offset":9999,"limit":2)", "offset"},
      {R"("offset":10001)", "offset"},
      {R"("filter":[])", "filter"},
      {R"("filter":{"mustt":[]})", "filter.mustt"},
      {R"("filter":{"must":[{"key":"a","range":{"gt":"x"}}]})", "filter.must[0].range.gt"},
      {R"("with_payload":"color")", "with_payload"},
      {R"("with_vector":1)", "with_vector"},
      {R"("score_threshold":"0.5")", "score_threshold"},
      {R"("score_threshold":1e39)", "score_threshold"},
      {R"("params":[])", "params"},
      {R"("params":{"ef":0})", "params.ef"},
      {R"("params":{"ef":10001})", "params.ef"},
      {R"("params":{"exact":"yes"})", "params.exact"},
      {R"("params":{"rescore":0})", "params.rescore"},
      {R"("params":{"hnsw_ef":64})", "params.hnsw_ef"},
      {R"("timeout_ms":0)", "timeout_ms"},
      {R"("timeout_ms":60001)", "timeout_ms"},
      {R"("allow_partial":"no")", "allow_partial"},
      {R"("consistency":"quorum")", "consistency"},
      {R"("consistency":1)", "consistency"},
      {R"("top_k":10)", "top_k"},
  };
  std::vector<std::string> fields;  // the tables point into these
  fields.reserve(2 * members.size());
  std::vector<BadInput> table;
  for (const auto& [member, field] : members) {
    const auto body = with(member);
    fields.push_back("searches[1]." + field);
    table.push_back({member.c_str(), Method::kPost, kSearch, body, 400, "validation_error", field.c_str()});
    table.push_back({member.c_str(), Method::kPost, kBatch, R"({"searches":[{"vector":[1,0,0]},)" + body + "]}", 400,
                     "validation_error", fields.back().c_str()});
  }
  const std::vector<BadInput> more{
      {"no vector", Method::kPost, kSearch, "{}", 400, "validation_error", "vector"},
      {"element", Method::kPost, kSearch, R"({"vector":[1,[],0]})", 400, "validation_error", "vector[1]"},
      {"overflow", Method::kPost, kSearch, R"({"vector":[1,0,3.5e38]})", 400, "validation_error", "vector[2]"},
      {"object", Method::kPost, kSearch, R"({"vector":{"f32":""}})", 400, "validation_error", "vector"},
      {"null", Method::kPost, kSearch, R"({"vector":null})", 400, "validation_error", "vector"},
      {"dimension", Method::kPost, kSearch, R"({"vector":[1,0]})", 400, "dimension_mismatch", ""},
      {"bad json", Method::kPost, kSearch, R"({"vector":[1,0,0])", 400, "bad_json", ""},
      {"bad filter json", Method::kPost, kSearch, R"({"vector":[1,0,0],"filter":{"must":[}]}})", 400, "bad_json", ""},
      {"list", Method::kPost, kSearch, "[]", 400, "validation_error", "body"},
      {"query", Method::kPost, kSearch + "?limit=1", "{}", 400, "validation_error", "limit"},
      {"query consistency", Method::kPost, kSearch + "?consistency=x", "{}", 400, "validation_error", "consistency"},
      {"collection", Method::kPost, "/collections/none/search", "{", 404, "collection_not_found", ""},
      {"collection of batch", Method::kPost, "/collections/none/search/batch", "{", 404, "collection_not_found", ""},
      {"no searches", Method::kPost, kBatch, "{}", 400, "validation_error", "searches"},
      {"empty", Method::kPost, kBatch, R"({"searches":[]})", 400, "validation_error", "searches"},
      {"not a list", Method::kPost, kBatch, R"({"searches":{}})", 400, "validation_error", "searches"},
      {"entry", Method::kPost, kBatch, R"({"searches":[[]]})", 400, "validation_error", "searches[0]"},
      {"unknown", Method::kPost, kBatch, R"({"search":[]})", 400, "validation_error", "search"},
      {"query of batch", Method::kPost, kBatch + "?x=1", "{}", 400, "validation_error", "x"},
      {"too many", Method::kPost, kBatch, R"({"searches":[{"vector":[1,0,0]},{"vector":[1,0,0]},{"vector":[1,0,0]}]})",
       400, "validation_error", "searches"},
  };
  EXPECT_REFUSED(table);
  EXPECT_REFUSED(more);
  EXPECT_TRUE(data.searched.empty());
}

}  // namespace
}  // namespace vectorizer::rest::testing
