#include "dispatch.hpp"

#include "front_end_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

class DispatcherTest : public FrontEndTest {};

TEST_F(DispatcherTest, FullLaneRefusesAndSaysWhenToRetry) {
  start();
  auto running = connect(), queued = connect(), refused = connect();
  running.send(get("/gate"));
  at_gate.acquire();
  queued.send(get("/gate"));
  const auto depth = [&] {
    front_end->refresh_metrics();
    return registry.gauge("vectorizer_http_queue_depth", "Requests waiting for a thread of the request lane").Value();
  };
  while (depth() < 1) std::this_thread::yield();

  const auto reply = refused.call(get("/gate"));

  expect_error(reply, 429, "overloaded");
  EXPECT_EQ(reply.json()["details"], nlohmann::json({{"queue", "request"}, {"depth", 1}, {"limit", 1}}));
  EXPECT_EQ(reply.header("Retry-After"), "1");
  EXPECT_EQ(refused.call(get("/fast")).status, 200U) << "what does not block is served on";
  open_gate.release(2);
  EXPECT_EQ(running.read().status, 200U);
  EXPECT_EQ(queued.read().status, 200U);
}

TEST_F(DispatcherTest, ThrowingHandlerIsAnInternalErrorWithoutItsCause) {
  start();
  auto client = connect();

  const auto reply = client.call(get("/throw"));

  expect_error(reply, 500, "internal_error");
  EXPECT_EQ(reply.body.find("disk on fire"), std::string::npos);
  EXPECT_EQ(client.call(get("/fast")).status, 200U);
}

TEST_F(DispatcherTest, UnknownPathsAndMethodsAreNamed) {
  start();
  auto client = connect();

  expect_error(client.call(get("/nothing")), 404, "not_found");
  expect_error(client.call(get("/%zz")), 400, "validation_error");
  expect_error(client.call(get("/fast?a=%zz")), 400, "validation_error");
  const auto wrong = client.call(post("/fast", "{}"));
  expect_error(wrong, 405, "method_not_allowed");
  EXPECT_EQ(wrong.header("Allow"), "GET, HEAD");
  EXPECT_EQ(wrong.json()["details"]["allowed"], nlohmann::json({"GET", "HEAD"}));
  EXPECT_EQ(client.call("BREW /fast HTTP/1.1\r\nHost: x\r\n\r\n").status, 405U);
}

TEST_F(DispatcherTest, MediaTypesThatAreNotOursAreRefused) {
  start();
  auto client = connect();
  const auto send = [&](const std::string& headers) { return client.call(post("/echo", "{}", headers)); };

  EXPECT_EQ(send("").body, "||{}");
  EXPECT_EQ(send("Content-Type: Application/JSON; charset=utf-8\r\n").body, "application/json||{}");
  EXPECT_EQ(send("Content-Type: application/octet-stream\r\n").body, "application/octet-stream||{}");
  EXPECT_EQ(send("Content-Type: application/x-www-form-urlencoded\r\n").status, 200U);
  expect_error(send("Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://evil\r\n"), 415,
               "unsupported_media_type");
  expect_error(send("Content-Type: text/plain\r\n"), 415, "unsupported_media_type");
  EXPECT_EQ(client.call(get("/fast", "Content-Type: text/plain\r\n")).status, 200U);
}

TEST_F(DispatcherTest, RepeatedWriteIsAnsweredAndNotDoneAgain) {
  start();
  auto client = connect();
  const std::string key = "Idempotency-Key: k1\r\n";

  const auto first = client.call(post("/collections/a/vectors", "1", key));
  const auto again = client.call(post("/collections/a/vectors", "1", key));

  EXPECT_EQ(first.body, "1");
  EXPECT_EQ(first.header("Idempotency-Replayed"), "");
  EXPECT_EQ(again.body, "1");
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(writes, 1);
  expect_error(client.call(post("/collections/a/vectors", "2", key)), 409, "conflict");
  expect_error(client.call(post("/collections/b/vectors", "1", key)), 409, "conflict");
  EXPECT_EQ(client.call(post("/collections/a/vectors", "1", "Idempotency-Key: k2\r\n")).body, "2");
}

TEST_F(DispatcherTest, WriteThatStillRunsIsNotStartedTwice) {
  start();
  auto first = connect(), second = connect();
  const auto request = post("/collections/a/vectors", "wait", "Idempotency-Key: k1\r\n");
  first.send(request);
  at_gate.acquire();

  const auto reply = second.call(request);

  expect_error(reply, 409, "conflict");
  EXPECT_EQ(reply.json()["details"]["reason"], "running");
  open_gate.release();
  EXPECT_EQ(first.read().body, "1");
}

TEST_F(DispatcherTest, BadIdempotencyKeyIsRefused) {
  start();
  auto client = connect();

  for (const std::string& key : {std::string(), std::string(129, 'k'), std::string("a\tb"), std::string("\xc3\xbc")}) {
    expect_error(client.call(post("/collections/a/vectors", "1", "Idempotency-Key: " + key + "\r\n")), 400,
                 "validation_error");
  }
  EXPECT_EQ(writes, 0);
  EXPECT_EQ(
      client.call(post("/collections/a/vectors", "1", "Idempotency-Key: " + std::string(128, 'k') + "\r\n")).status,
      200U);
}

TEST_F(DispatcherTest, ARequestIdIsNoIdempotencyKey) {
  start();
  auto client = connect();
  for (int i = 0; i < 2; ++i) client.call(post("/collections/a/vectors", "1", "X-Request-Id: same\r\n"));
  EXPECT_EQ(writes, 2);
}

TEST_F(DispatcherTest, CountsByRouteMethodAndStatus) {
  start();
  auto client = connect();
  client.call(get("/fast"));
  client.call(get("/fast"));
  client.call("HEAD /fast HTTP/1.1\r\nHost: x\r\n\r\n", true);
  client.call(get("/nothing"));

  const std::string text = registry.expose();

  const auto has = [&](const std::string& line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(has(R"(vectorizer_http_requests_total{method="GET",route="/fast",status="200"} 2)")) << text;
  EXPECT_TRUE(has(R"(vectorizer_http_requests_total{method="HEAD",route="/fast",status="200"} 1)"));
  EXPECT_TRUE(has(R"(vectorizer_http_requests_total{method="GET",route="unmatched",status="404"} 1)"));
  EXPECT_TRUE(has(R"(vectorizer_http_request_seconds_count{route="/fast"} 3)"));
  EXPECT_TRUE(has("vectorizer_http_connections 1"));
}

}  // namespace
}  // namespace vectorizer::rest::testing
