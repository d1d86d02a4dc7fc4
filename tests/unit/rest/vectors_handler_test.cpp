#include <cstring>
#include <limits>

#include "handler_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

using nlohmann::json;

class VectorRoutes : public HandlerTest {
 protected:
  VectorRoutes() : HandlerTest(vector_routes) {}

  void put(PointId id, std::vector<float> vector, std::string payload = {}) {
    data.points[id] = Point{id, std::move(vector), std::move(payload)};
  }
  static std::string nested(int depth) {
    std::string text = "{}";
    for (int i = 1; i < depth; ++i) text = R"({"a":)" + text + "}";
    return text;
  }
  static std::string f32(std::initializer_list<float> values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.begin(), bytes.size());
    return bytes;
  }
};

const std::string kAll = "/collections/docs/vectors";
const std::string kOne = "/collections/docs/vectors/7";

TEST_F(VectorRoutes, UpsertStoresVectorsAndPayloadBytesAsSent) {
  const auto reply = post(
      kAll, R"( {"vectors": [ {"id": 1, "vector": [1, -2.5e0, 3.4028235e38], "payload": { "a" : 1.0 , "b":"\u00e9" } },
                 {"vector":[0,0,0],"id":"1","payload":null} ]} )");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(reply.text, R"({"status":"ok","upserted":2})");
  const auto& first = data.points.at(PointId(1));
  EXPECT_EQ(first.vector, (std::vector<float>{1, -2.5F, std::numeric_limits<float>::max()}));
  EXPECT_EQ(first.payload, R"({ "a" : 1.0 , "b":"\u00e9" })");
  EXPECT_EQ(data.points.at(PointId(std::string("1"))).payload, "");
  EXPECT_EQ(last_route->run_on, RunOn::kRequestLane);
}

TEST_F(VectorRoutes, UpsertOfAnIdTwiceKeepsTheLast) {
  const auto reply = post(kAll, R"({"vectors":[{"id":1,"vector":[1,1,1]},{"id":2,"vector":[2,2,2]},
                                               {"id":1,"vector":[3,3,3]}]})");
  EXPECT_EQ(reply.body["upserted"], 2);
  ASSERT_EQ(data.written.size(), 2U);
  EXPECT_EQ(data.points.at(PointId(1)).vector, (std::vector<float>{3, 3, 3}));
}

TEST_F(VectorRoutes, VectorAsBase64) {
  const auto reply = post(kAll, R"({"vectors":[{"id":1,"vector":"AACAPwAAAMAAAAA/"}]})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(data.points.at(PointId(1)).vector, (std::vector<float>{1, -2, 0.5F}));
}

TEST_F(VectorRoutes, ABatchWithOneBadVectorWritesNothing) {
  const auto reply =
      post(kAll, R"({"vectors":[{"id":1,"vector":[1,1,1]},{"id":18446744073709551615,"vector":[1,1]}]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body["error_type"], "dimension_mismatch");
  EXPECT_EQ(reply.body["details"], json::parse(R"({"expected":3,"actual":2,"index":1,"id":18446744073709551615})"));
  EXPECT_TRUE(data.points.empty());
}

TEST_F(VectorRoutes, BinaryUpsert) {
  std::string body("VZU1\2\0\0\0\3\0\0\0\0\0\0\0", 16);
  body += std::string("\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0", 16) + f32({1, 2, 3, 4, 5, 6});
  const auto octets = "application/octet-stream";
  ASSERT_EQ(call(Method::kPost, kAll, body, octets).status, 200);
  EXPECT_EQ(data.points.at(PointId(6)).vector, (std::vector<float>{4, 5, 6}));

  auto short_by_one = call(Method::kPost, kAll, body.substr(0, body.size() - 1), octets);
  EXPECT_EQ(short_by_one.body["details"]["field"], "body");
  auto wide = body;
  wide[8] = 4;
  EXPECT_EQ(call(Method::kPost, kAll, wide, octets).body["error_type"], "dimension_mismatch");
  auto huge = body;
  huge[7] = '\x7f';
  EXPECT_EQ(call(Method::kPost, kAll, huge, octets).body["details"]["field"], "vectors");
  auto reserved = body;
  reserved[12] = 1;
  EXPECT_EQ(call(Method::kPost, kAll, reserved, octets).body["details"]["field"], "body");
  auto infinite = body.substr(0, 32) + f32({1, 2, 3, 4, std::numeric_limits<float>::infinity(), 6});
  EXPECT_EQ(call(Method::kPost, kAll, infinite, octets).body["details"]["field"], "vectors[1].vector[1]");
  EXPECT_EQ(call(Method::kPost, kAll, "VZU1", octets).body["details"]["field"], "body");
  EXPECT_EQ(call(Method::kPut, kOne, body, octets).status, 415);
}

TEST_F(VectorRoutes, BodyTypes) {
  const std::string body = R"({"vectors":[{"id":1,"vector":[1,1,1]}]})";
  EXPECT_EQ(call(Method::kPost, kAll, body, "application/json").status, 200);
  EXPECT_EQ(call(Method::kPost, kAll, body, "application/x-www-form-urlencoded").status, 200);
  EXPECT_EQ(call(Method::kPost, kAll, body, "text/plain").body["error_type"], "unsupported_media_type");
  has_origin = true;
  EXPECT_EQ(call(Method::kPost, kAll, body, "application/x-www-form-urlencoded").status, 415);
}

TEST_F(VectorRoutes, GetReturnsWhatWasSent) {
  put(PointId(7), {1, 0.1F, -3}, R"({"a":[1, 2]})");
  put(PointId(std::string("7")), {4, 5, 6});
  EXPECT_EQ(call(Method::kGet, kOne).text, R"({"id":7,"payload":{"a":[1, 2]},"vector":[1,0.1,-3]})");
  EXPECT_EQ(call(Method::kGet, kOne + "?with_vector=false").text, R"({"id":7,"payload":{"a":[1, 2]}})");
  EXPECT_EQ(call(Method::kGet, kOne + "?id_type=string").text, R"({"id":"7","payload":{},"vector":[4,5,6]})");
  EXPECT_EQ(last_route->run_on, RunOn::kIoThread);
}

TEST_F(VectorRoutes, AbsentVectorsAre404WithTheirId) {
  for (const auto method : {Method::kGet, Method::kDelete}) {
    const auto reply = call(method, kOne);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.body["error_type"], "vector_not_found");
    EXPECT_EQ(reply.body["details"]["id"], 7);
  }
  EXPECT_EQ(call(Method::kPatch, kOne, R"({"payload":{"a":1}})").body["error_type"], "vector_not_found");
}

TEST_F(VectorRoutes, PutPatchAndDeleteOfOne) {
  EXPECT_EQ(call(Method::kPut, kOne, R"({"vector":[1,2,3],"payload":{"a":1}})").status, 200);
  EXPECT_EQ(data.points.at(PointId(7)).payload, R"({"a":1})");
  EXPECT_EQ(call(Method::kPatch, kOne, R"({"vector":[3,2,1]})").status, 200);
  EXPECT_EQ(data.points.at(PointId(7)).vector, (std::vector<float>{3, 2, 1}));
  EXPECT_EQ(call(Method::kPatch, kOne, R"({"payload":{"a":null}})").status, 200);
  EXPECT_EQ(data.written.at(0).kind, WriteOp::Kind::kPatch);
  EXPECT_EQ(data.written.at(0).payload, R"({"a":null})");
  EXPECT_TRUE(data.written.at(0).vector.empty());
  EXPECT_EQ(call(Method::kDelete, kOne).text, R"({"status":"deleted"})");
  EXPECT_TRUE(data.points.empty());
}

TEST_F(VectorRoutes, GetManyNamesWhatIsMissing) {
  put(PointId(1), {1, 2, 3}, R"({"a":1})");
  const auto reply = post(kAll + "/get", R"({"ids":["x",1,1,2],"with_vector":false})");
  EXPECT_EQ(reply.text, R"({"vectors":[{"id":1,"payload":{"a":1}}],"missing":["x",2]})");
  EXPECT_EQ(post(kAll + "/get", R"({"ids":[]})").text, R"({"vectors":[],"missing":[]})");
}

TEST_F(VectorRoutes, DeleteByIdsAndByFilter) {
  for (std::uint64_t id = 0; id < 6; ++id) put(PointId(id), {1, 2, 3}, id % 2 ? R"({"odd":true})" : R"({"odd":false})");
  EXPECT_EQ(post(kAll + "/delete", R"({"ids":[0,0,77]})").text, R"({"deleted":1})");
  EXPECT_EQ(post(kAll + "/delete", R"({"ids":[]})").text, R"({"deleted":0})");
  const auto odd = R"({"filter":{"must":[{"key":"odd","match":{"value":true}}]}})";
  EXPECT_EQ(post(kAll + "/delete", odd).text, R"({"deleted":3})");
  EXPECT_EQ(post(kAll + "/count", "{}").text, R"({"count":2})");
  EXPECT_EQ(post(kAll + "/count", "").text, R"({"count":2})");
  EXPECT_EQ(post(kAll + "/count", odd).text, R"({"count":0})");
}

TEST_F(VectorRoutes, PayloadModes) {
  put(PointId(1), {1, 2, 3});
  const std::string to = kAll + "/payload";
  EXPECT_EQ(post(to, R"({"ids":[1,9],"payload":{"a" : 1}})").text, R"({"updated":1})");
  EXPECT_EQ(data.written.at(0).mode, PayloadMode::kMerge);
  EXPECT_EQ(data.points.at(PointId(1)).payload, R"({"a" : 1})");
  EXPECT_EQ(post(to, R"({"ids":[1],"keys":["a"],"mode":"delete_keys"})").status, 200);
  EXPECT_EQ(data.written.at(0).keys, std::vector<std::string>{"a"});
  EXPECT_EQ(post(to, R"({"ids":[1],"mode":"clear"})").status, 200);
  EXPECT_EQ(data.written.at(0).mode, PayloadMode::kClear);
  EXPECT_EQ(post(to, R"({"ids":[1],"mode":"set","payload":{}})").status, 200);
  EXPECT_EQ(post(to, R"({"ids":[1],"mode":"replace","payload":{}})").status, 200);
  EXPECT_EQ(data.written.at(0).mode, PayloadMode::kReplace);
}

TEST_F(VectorRoutes, ScrollVisitsEveryIdOnceInOrder) {
  for (std::uint64_t id = 0; id < 5; ++id) put(PointId(id), {1, 2, 3});
  put(PointId(std::string("z\xc3\xa9")), {1, 2, 3});
  std::vector<json> seen;
  json cursor;
  do {
    const auto reply = post(kAll + "/scroll", json{{"limit", 2}, {"cursor", cursor}}.dump());
    ASSERT_EQ(reply.status, 200) << reply.text;
    for (const auto& vector : reply.body["vectors"]) seen.push_back(vector["id"]);
    cursor = reply.body["next_cursor"];
  } while (!cursor.is_null());
  EXPECT_EQ(json(seen), json::parse(R"([0,1,2,3,4,"zé"])"));
  EXPECT_FALSE(data.scrolled.projection.with_vector);
  EXPECT_TRUE(data.scrolled.projection.with_payload);
}

TEST_F(VectorRoutes, AWriteGivesATokenThatReadsAccept) {
  data.positions = {{ShardId(3), {.sequence = 7, .term = 2}}};
  const auto reply = call(Method::kPut, kOne, R"({"vector":[1,2,3]})");
  session_token = reply.header("X-Session-Token");
  ASSERT_FALSE(session_token.empty());
  EXPECT_EQ(call(Method::kGet, kOne).status, 200);
  EXPECT_EQ(data.reads.back().session, data.positions);

  // The next write of the session adds to it; writes themselves wait for nothing.
  data.positions = {{ShardId(3), {.sequence = 6, .term = 3}}, {ShardId(4), {.sequence = 1, .term = 1}}};
  session_token = call(Method::kDelete, kOne).header("X-Session-Token");
  EXPECT_EQ(data.reads.size(), 1U);
  EXPECT_EQ(post(kAll + "/count", "{}").status, 200);
  EXPECT_EQ(data.reads.back().session,
            (ShardPositions{{ShardId(3), {.sequence = 7, .term = 3}}, {ShardId(4), {.sequence = 1, .term = 1}}}));

  data.read_error = Error{ErrorType::kSessionLost, "lost"}.with("shard_id", 3);
  EXPECT_EQ(post(kAll + "/get", R"({"ids":[]})").status, 409);
  for (const auto* read : {"/scroll", "/count"}) EXPECT_EQ(post(kAll + read, "{}").status, 409) << read;
  EXPECT_EQ(call(Method::kGet, kOne).body["error_type"], "session_lost");
  session_token = "made up";
  const auto refused = call(Method::kGet, kOne);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body["details"]["field"], "X-Session-Token");
}

TEST_F(VectorRoutes, ReadsAreAskedOfPrimariesUnlessTheRequestSaysOtherwise) {
  put(PointId(std::uint64_t{7}), {1, 2, 3});
  const auto from = [&] { return data.reads.back().consistency; };
  EXPECT_EQ(call(Method::kGet, kOne).status, 200);
  EXPECT_EQ(from(), Consistency::kPrimary);
  EXPECT_NE(data.reads.back().deadline.at(), Deadline::Clock::time_point::max());
  EXPECT_EQ(call(Method::kGet, kOne + "?consistency=any").status, 200);
  EXPECT_EQ(from(), Consistency::kAny);
  for (const auto& [path, body] : {std::pair("/get", R"({"ids":[1])"), std::pair("/scroll", R"({"limit":1)"),
                                   std::pair("/count", R"({"filter":{})")}) {
    const std::string start = body;
    EXPECT_EQ(post(kAll + path, start + "}").status, 200) << path;
    EXPECT_EQ(from(), Consistency::kPrimary) << path;
    EXPECT_EQ(post(kAll + path, start + R"(,"consistency":"any"})").status, 200) << path;
    EXPECT_EQ(from(), Consistency::kAny) << path;
    EXPECT_EQ(post(kAll + path + "?consistency=primary", start + R"(,"consistency":"any"})").status, 200) << path;
    EXPECT_EQ(from(), Consistency::kPrimary) << path;
  }
}

TEST_F(VectorRoutes, EveryWriteIsKnownByTheKeyAndTheBodyOfItsRequest) {
  idempotency_key = "k1";
  const auto known = [&] {
    const auto key = std::exchange(data.written_key, {});
    return key.name == "k1" && key.body == 77;
  };
  post(kAll, R"({"vectors":[{"id":1,"vector":[1,2,3]}]})");
  EXPECT_TRUE(known());
  call(Method::kPut, kOne, R"({"vector":[1,2,3]})");
  EXPECT_TRUE(known());
  call(Method::kPatch, kOne, R"({"payload":{"a":1}})");
  EXPECT_TRUE(known());
  post(kAll + "/delete", R"({"ids":[1]})");
  EXPECT_TRUE(known());
  post(kAll + "/delete", R"({"filter":{"must":[{"key":"a","match":{"value":1}}]}})");
  EXPECT_TRUE(known());
  call(Method::kDelete, kOne);
  EXPECT_TRUE(known());
}

TEST_F(VectorRoutes, OperationsKnowTheirPlaceInTheRequest) {
  post(kAll, R"({"vectors":[{"id":1,"vector":[1,2,3]},{"id":2,"vector":[1,2,3]},{"id":1,"vector":[4,5,6]}]})");
  EXPECT_EQ(data.written_places, (std::vector<std::size_t>{1, 2}));
  post(kAll + "/delete", R"({"ids":[7,7,1,7,2]})");
  EXPECT_EQ(data.written_places, (std::vector<std::size_t>{0, 2, 4}));
}

TEST_F(VectorRoutes, AFailedWriteIsPassedOn) {
  data.write_error = Error{ErrorType::kStorageFull, "full"};
  const auto reply = call(Method::kPut, kOne, R"({"vector":[1,2,3]})");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body["error_type"], "storage_full");
  EXPECT_EQ(reply.header("Retry-After"), "1");
}

TEST_F(VectorRoutes, LimitsAreEnforced) {
  limits.max_batch_vectors = 1;
  limits.max_ids = 2;
  limits.max_payload_bytes = 10;
  limits.max_results = 5;
  limits.max_filter_depth = 2;
  limits.max_filter_conditions = 2;
  const std::vector<BadInput> table{
      {"batch", Method::kPost, kAll, R"({"vectors":[{"id":1,"vector":[1,1,1]},{"id":2,"vector":[1,1,1]}]})", 400,
       "validation_error", "vectors"},
      {"payload", Method::kPut, kOne, R"({"vector":[1,1,1],"payload":{"a":12345}})", 413, "payload_too_large",
       "payload"},
      {"ids", Method::kPost, kAll + "/get", R"({"ids":[1,2,3]})", 400, "validation_error", "ids"},
      {"ids of delete", Method::kPost, kAll + "/delete", R"({"ids":[1,2,3]})", 400, "validation_error", "ids"},
      {"scroll", Method::kPost, kAll + "/scroll", R"({"limit":6})", 400, "validation_error", "limit"},
      {"filter depth", Method::kPost, kAll + "/count", R"({"filter":{"must":[{"must":[{"must":[]}]}]}})", 400,
       "validation_error", "filter.must[0].must[0]"},
  };
  EXPECT_REFUSED(table);
  EXPECT_EQ(call(Method::kPut, kOne, R"({"vector":[1,1,1],"payload":{"a":1234}})").status, 200);
}

TEST_F(VectorRoutes, PayloadDepthIsItsOwn) {
  const auto body = [](int depth) { return R"({"vector":[1,2,3],"payload":)" + nested(depth) + "}"; };
  EXPECT_EQ(call(Method::kPut, kOne, body(32)).status, 200);
  const auto reply = call(Method::kPut, kOne, body(33));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body["details"]["field"], "payload");
  const auto bottomless = R"({"vector":[1,2,3],"payload":{"a":)" + std::string(200000, '[');
  EXPECT_EQ(call(Method::kPut, kOne, bottomless).status, 400);
}

TEST_F(VectorRoutes, EveryBadJsonIsRefusedWithItsOffset) {
  const std::vector<std::string> bodies{
      "",
      "nope",
      R"({"vector":[1,2,3])",
      R"({"vector":[1,2,3}})",
      R"({"vector":[1,2,3]} x)",
      R"({"vector":[1,2,3]}})",
      R"({"vector":[1,2,]})",
      R"({"vector":[1,,2]})",
      R"({"vector":[1 2 3]})",
      R"({"vector":[1,2,3],})",
      R"({"vector" [1,2,3]})",
      R"({vector:[1,2,3]})",
      R"({"vector":[1,2,03]})",
      R"({"vector":[1,2,3],"vector":[1,2,3]})",
      R"({"vector":[1,2,3],"payload":{"a":tru}})",
      R"({"vector":[1,2,3],"payload":{"a":nul}})",
      R"({"vector":[1,2,3],"payload":{"a":01}})",
      R"({"vector":[1,2,3],"payload":{"a":1e999}})",
      R"({"vector":[1,2,3],"payload":{"a":"\x"}})",
      R"({"vector":[1,2,3],"payload":{"a":"\ud800"}})",
      R"({"vector":[1,2,3],"payload":{"a":[1}]}})",
      R"({"vector":[1,2,3],"payload":{"a":1,"a":2}})",
      R"([1)",
      R"({"vector":tru})",
      R"({"vector":[1,2]},)",
      R"({"vector":{"a":1]})",
      R"({"vecto":[1,2,3])",
      "\xEF\xBB\xBF{\"vector\":[1,2,3]}",
      "{\"vector\":[1,2,3],\"payload\":{\"a\":\"\xff\"}}",
      "{\"vector\":[1,2,3],\"payload\":{\"a\":\"\n\"}}",
  };
  for (const auto& body : bodies) {
    const auto reply = call(Method::kPut, kOne, body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(reply.body["error_type"], "bad_json") << body << reply.text;
    EXPECT_TRUE(reply.body["details"].contains("offset")) << body << reply.text;
  }
  EXPECT_TRUE(data.points.empty());
}

TEST_F(VectorRoutes, ANumberOutOfRangeIsNamedByItsField) {
  const auto reply = call(Method::kPut, kOne, R"({"vector":[1,1e999,3]})");
  EXPECT_EQ(reply.body["error_type"], "validation_error");
  EXPECT_EQ(reply.body["details"]["field"], "vector[1]");
}

TEST_F(VectorRoutes, BadInputNamesItsField) {
  const auto post_ = Method::kPost;
  const auto bad_id = [](const std::string& id) { return R"({"vectors":[{"id":)" + id + R"(,"vector":[1,2,3]}]})"; };
  const std::string long_id(257, 'x');
  std::vector<BadInput> table{
      {"unknown collection", post_, "/collections/none/vectors", "{", 404, "collection_not_found", ""},
      {"impossible collection", post_, "/collections/.x/vectors", "{}", 404, "collection_not_found", ""},
      {"query", post_, kAll + "?wait=true", "{}", 400, "validation_error", "wait"},
      {"not an object", post_, kAll, "[]", 400, "validation_error", "body"},
      {"scalar", post_, kAll, "17", 400, "validation_error", "body"},
      {"no vectors", post_, kAll, "{}", 400, "validation_error", "vectors"},
      {"empty", post_, kAll, R"({"vectors":[]})", 400, "validation_error", "vectors"},
      {"unknown member", post_, kAll, R"({"vectorz":[]})", 400, "validation_error", "vectorz"},
      {"not a list", post_, kAll, R"({"vectors":{}})", 400, "validation_error", "vectors"},
      {"entry", post_, kAll, R"({"vectors":[1]})", 400, "validation_error", "vectors[0]"},
      {"no id", post_, kAll, R"({"vectors":[{"vector":[1,2,3]}]})", 400, "validation_error", "vectors[0].id"},
      {"no vector", post_, kAll, R"({"vectors":[{"id":1}]})", 400, "validation_error", "vectors[0].vector"},
      {"unknown in entry", post_, kAll, R"({"vectors":[{"id":1,"vektor":1}]})", 400, "validation_error",
       "vectors[0].vektor"},
      {"element", post_, kAll, R"({"vectors":[{"id":1,"vector":[1,2,3]},{"id":2,"vector":[1,"2",3]}]})", 400,
       "validation_error", "vectors[1].vector[1]"},
      {"null element", post_, kAll, R"({"vectors":[{"id":1,"vector":[1,2,null]}]})", 400, "validation_error",
       "vectors[0].vector[2]"},
      {"f32 overflow", post_, kAll, R"({"vectors":[{"id":1,"vector":[1,1e39,3]}]})", 400, "validation_error",
       "vectors[0].vector[1]"},
      {"f64 overflow", post_, kAll, R"({"vectors":[{"id":1,"vector":[1,2,-1e999]}]})", 400, "validation_error",
       "vectors[0].vector[2]"},
      {"reserved", post_, kAll, R"({"vectors":[{"id":1,"vector":{"f32":"AAAA"}}]})", 400, "validation_error",
       "vectors[0].vector"},
      {"not base64", post_, kAll, R"({"vectors":[{"id":1,"vector":"*"}]})", 400, "validation_error",
       "vectors[0].vector"},
      {"no whole f32", post_, kAll, R"({"vectors":[{"id":1,"vector":"AAAA"}]})", 400, "validation_error",
       "vectors[0].vector"},
      {"base64 NaN", post_, kAll, R"({"vectors":[{"id":1,"vector":"AAAAAAAAwH8AAAAA"}]})", 400, "validation_error",
       "vectors[0].vector[1]"},
      {"base64 dimension", post_, kAll, R"({"vectors":[{"id":1,"vector":"AAAAAA=="}]})", 400, "dimension_mismatch", ""},
      {"payload", post_, kAll, R"({"vectors":[{"id":1,"vector":[1,2,3],"payload":[]}]})", 400, "validation_error",
       "vectors[0].payload"},
      {"put without vector", Method::kPut, kOne, R"({"payload":{}})", 400, "validation_error", "vector"},
      {"put with id", Method::kPut, kOne, R"({"id":7,"vector":[1,2,3]})", 400, "validation_error", "id"},
      {"put dimension", Method::kPut, kOne, R"({"vector":[]})", 400, "dimension_mismatch", ""},
      {"patch of nothing", Method::kPatch, kOne, "{}", 400, "validation_error", "body"},
      {"patch dimension", Method::kPatch, kOne, R"({"vector":[1,2,3,4]})", 400, "dimension_mismatch", ""},
      {"flag", Method::kGet, kOne + "?with_vector=no", "", 400, "validation_error", "with_vector"},
      {"consistency", Method::kGet, kOne + "?consistency=all", "", 400, "validation_error", "consistency"},
      {"query of get", Method::kGet, kOne + "?with=1", "", 400, "validation_error", "with"},
      {"id type", Method::kGet, kOne + "?id_type=uuid", "", 400, "validation_error", "id_type"},
      {"float id", Method::kGet, kAll + "/1.0", "", 400, "validation_error", "id"},
      {"exponent id", Method::kDelete, kAll + "/1e3", "", 400, "validation_error", "id"},
      {"negative id", Method::kPut, kAll + "/-1", R"({"vector":[1,2,3]})", 400, "validation_error", "id"},
      {"big id", Method::kPatch, kAll + "/18446744073709551616", "{}", 400, "validation_error", "id"},
      {"long id", Method::kGet, kAll + "/" + long_id, "", 400, "validation_error", "id"},
      {"id that is not UTF-8", Method::kGet, kAll + "/\xff", "", 400, "validation_error", "id"},
      {"get without ids", post_, kAll + "/get", "{}", 400, "validation_error", "ids"},
      {"get ids", post_, kAll + "/get", R"({"ids":[1,true]})", 400, "validation_error", "ids[1]"},
      {"get with_payload", post_, kAll + "/get", R"({"ids":[],"with_payload":1})", 400, "validation_error",
       "with_payload"},
      {"get with_payload path", post_, kAll + "/get", R"({"ids":[],"with_payload":["a","b..c"]})", 400,
       "validation_error", "with_payload[1]"},
      {"scroll with_payload path", post_, kAll + "/scroll", R"({"with_payload":["\"a"]})", 400, "validation_error",
       "with_payload[0]"},
      {"keys path", post_, kAll + "/payload", R"({"ids":[1],"keys":["a.",""],"mode":"delete_keys"})", 400,
       "validation_error", "keys[0]"},
      {"get with_payload keys", post_, kAll + "/get", R"({"ids":[],"with_payload":["a",1]})", 400, "validation_error",
       "with_payload[1]"},
      {"get unknown", post_, kAll + "/get", R"({"ids":[],"withVector":true})", 400, "validation_error", "withVector"},
      {"delete nothing", post_, kAll + "/delete", "{}", 400, "validation_error", "ids"},
      {"delete both", post_, kAll + "/delete", R"({"ids":[1],"filter":{"must":[{"key":"a","exists":true}]}})", 400,
       "validation_error", "ids"},
      {"delete all", post_, kAll + "/delete", R"({"filter":{}})", 400, "validation_error", "filter"},
      {"delete all, nested", post_, kAll + "/delete", R"({"filter":{"must":[{"should":[]}],"should":[]}})", 400,
       "validation_error", "filter"},
      {"delete filter", post_, kAll + "/delete", R"({"filter":{"must":[{"key":"a"}]}})", 400, "validation_error",
       "filter.must[0]"},
      {"delete unknown", post_, kAll + "/delete", R"({"points":[1]})", 400, "validation_error", "points"},
      {"payload mode", post_, kAll + "/payload", R"({"ids":[1],"mode":"patch","payload":{}})", 400, "validation_error",
       "mode"},
      {"payload without", post_, kAll + "/payload", R"({"ids":[1]})", 400, "validation_error", "payload"},
      {"payload keys", post_, kAll + "/payload", R"({"ids":[1],"mode":"delete_keys"})", 400, "validation_error",
       "keys"},
      {"payload key type", post_, kAll + "/payload", R"({"ids":[1],"mode":"delete_keys","keys":[1]})", 400,
       "validation_error", "keys[0]"},
      {"payload no keys", post_, kAll + "/payload", R"({"ids":[1],"mode":"delete_keys","keys":[]})", 400,
       "validation_error", "keys"},
      {"payload and clear", post_, kAll + "/payload", R"({"ids":[1],"mode":"clear","payload":{}})", 400,
       "validation_error", "payload"},
      {"payload and keys", post_, kAll + "/payload", R"({"ids":[1],"payload":{},"keys":["a"]})", 400,
       "validation_error", "keys"},
      {"payload of all", post_, kAll + "/payload", R"({"filter":{},"mode":"clear"})", 400, "validation_error",
       "filter"},
      {"payload of none", post_, kAll + "/payload", R"({"mode":"clear"})", 400, "validation_error", "ids"},
      {"scroll limit", post_, kAll + "/scroll", R"({"limit":0})", 400, "validation_error", "limit"},
      {"scroll limit type", post_, kAll + "/scroll", R"({"limit":1.5})", 400, "validation_error", "limit"},
      {"scroll limit above", post_, kAll + "/scroll", R"({"limit":10001})", 400, "validation_error", "limit"},
      {"scroll cursor", post_, kAll + "/scroll", R"({"cursor":"AAAA"})", 400, "validation_error", "cursor"},
      {"scroll cursor text", post_, kAll + "/scroll", R"({"cursor":"!"})", 400, "validation_error", "cursor"},
      {"scroll cursor type", post_, kAll + "/scroll", R"({"cursor":1})", 400, "validation_error", "cursor"},
      {"scroll filter", post_, kAll + "/scroll", R"({"filter":{"must":[{"key":1}]}})", 400, "validation_error",
       "filter.must[0]"},
      {"scroll consistency", post_, kAll + "/scroll", R"({"consistency":"x"})", 400, "validation_error", "consistency"},
      {"scroll unknown", post_, kAll + "/scroll", R"({"offset":1})", 400, "validation_error", "offset"},
      {"count unknown", post_, kAll + "/count", R"({"exact":true})", 400, "validation_error", "exact"},
      {"count filter", post_, kAll + "/count", R"({"filter":[]})", 400, "validation_error", "filter"},
  };
  for (const char* id : {"1.0", "1e3", "-1", "18446744073709551616", "\"\"", "null", "true", "[]", "{}"}) {
    table.push_back({id, post_, kAll, bad_id(id), 400, "validation_error", "vectors[0].id"});
  }
  const auto long_body = bad_id('"' + long_id + '"');
  table.push_back({"long id in a body", post_, kAll, long_body, 400, "validation_error", "vectors[0].id"});
  for (const char* rest : {"/get", "/delete", "/payload", "/scroll", "/count"}) {
    table.push_back(
        {rest, post_, "/collections/none/vectors" + std::string(rest), "x", 404, "collection_not_found", ""});
    table.push_back({rest, post_, kAll + rest, "x", 400, "bad_json", ""});
    table.push_back({rest, post_, kAll + rest + "?x=1", "{}", 400, "validation_error", "x"});
  }
  for (const auto method : {Method::kGet, Method::kPut, Method::kPatch, Method::kDelete}) {
    table.push_back({"one of none", method, "/collections/none/vectors/1", "{}", 404, "collection_not_found", ""});
    table.push_back({"query of one", method, kOne + "?x=1", "{}", 400, "validation_error", "x"});
    table.push_back(
        {"twice", method, kOne + "?id_type=string&id_type=integer", "{}", 400, "validation_error", "id_type"});
  }
  EXPECT_REFUSED(table);
  EXPECT_TRUE(data.points.empty());
}

}  // namespace
}  // namespace vectorizer::rest::testing
