#include "session.hpp"

#include "front_end_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

class SessionTest : public FrontEndTest {};

TEST_F(SessionTest, AnswersPipelinedRequestsInOrder) {
  start();
  auto client = connect();

  client.send(get("/gate") + get("/fast") + post("/echo", "one") + post("/echo", "two"));
  open_gate.release();

  EXPECT_EQ(client.read().body, "\"through\"");
  EXPECT_EQ(client.read().body, "\"fast\"");
  EXPECT_EQ(client.read().body, "||one");
  EXPECT_EQ(client.read().body, "||two");
}

TEST_F(SessionTest, ReadsARequestThatArrivesByteByByte) {
  start();
  auto client = connect();

  for (const char byte : post("/echo", "slowly")) client.send(std::string(1, byte));

  EXPECT_EQ(client.read().body, "||slowly");
}

TEST_F(SessionTest, ReadsChunkedBodies) {
  start();
  auto client = connect();

  const auto reply = client.call(
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");

  EXPECT_EQ(reply.body, "||abcde");
}

TEST_F(SessionTest, HeadHasTheHeaderOfGetAndNoBody) {
  start();
  auto client = connect();

  const auto reply = client.call("HEAD /fast HTTP/1.1\r\nHost: x\r\n\r\n", true);

  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.header("Content-Length"), "6");
  EXPECT_EQ(client.call(get("/fast")).body, "\"fast\"");
}

TEST_F(SessionTest, ContinuesWhenAskedTo) {
  start();
  auto client = connect();

  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 100U);

  EXPECT_EQ(client.call("body").body, "||body");
}

TEST_F(SessionTest, RefusesAnOversizeBodyBeforeItIsSent) {
  start();
  auto client = connect();

  const auto reply = client.call(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nX-Request-Id: mine\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.header("X-Request-Id"), "mine");

  expect_error(reply, 413, "payload_too_large");
  EXPECT_EQ(reply.json()["details"]["limit_bytes"], 1000);
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, BodiesThatTogetherTakeTooMuchAreRefused) {
  settings.max_body_bytes = settings.body_memory_bytes = 6;
  start();
  auto first = connect();
  first.send(post("/collections/c/vectors", "wait"));
  at_gate.acquire();

  auto second = connect();
  const auto refused = second.call(post("/echo", "abc", "X-Request-Id: mine\r\n"));
  expect_error(refused, 429, "overloaded");
  EXPECT_EQ(refused.json()["details"], nlohmann::json::parse(R"({"queue":"bodies","depth":4,"limit":6})"));
  EXPECT_EQ(refused.json()["request_id"], "mine");
  EXPECT_NE(refused.header("Retry-After"), "");
  EXPECT_TRUE(second.ended());
  auto chunked = connect();
  expect_error(
      chunked.call("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), 429,
      "overloaded");
  EXPECT_EQ(connect().call(post("/echo", "ab")).body, "||ab");

  open_gate.release();
  EXPECT_EQ(first.read().status, 200U);
  EXPECT_EQ(connect().call(post("/echo", "abcdef")).body, "||abcdef");
  EXPECT_EQ(first.call(post("/echo", "abcdef")).body, "||abcdef");
}

TEST_F(SessionTest, RefusesAChunkedBodyOnceItIsTooLarge) {
  start();
  auto client = connect();

  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 6; ++i) client.send("c8\r\n" + std::string(200, 'x') + "\r\n");

  expect_error(client.read(), 413, "payload_too_large");
}

TEST_F(SessionTest, RefusesAHeaderThatIsTooLarge) {
  start();
  auto client = connect();

  const auto reply = client.call(get("/fast", "X-Long: " + std::string(5000, 'x') + "\r\n"));

  expect_error(reply, 431, "validation_error");
  EXPECT_EQ(reply.json()["details"]["limit_bytes"], 2000);
  EXPECT_EQ(reply.json()["details"]["field"], "header");
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, AnswersMalformedHttpWithTheOneShape) {
  start();
  const std::vector<std::string> requests{
      "GARBAGE\r\n\r\n",
      "GET /fast HTTP/9.9\r\nHost: x\r\n\r\n",
      "GET /fast HTTP/1.1\r\n\r\n",
      "GET /fast HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "GET /fast HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
      "GET /fast HTTP/1.1\r\nHost : x\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  };
  for (const auto& request : requests) {
    SCOPED_TRACE(request);
    auto client = connect();
    const auto reply = client.call(request);
    expect_error(reply, 400, "validation_error");
    EXPECT_NE(reply.json()["details"].value("field", ""), "");
    EXPECT_NE(reply.json()["details"].value("reason", ""), "");
    EXPECT_TRUE(client.ended());
  }
}

TEST_F(SessionTest, RefusesABodyInAnEncoding) {
  start();
  for (const auto* encoding : {"gzip", "identity, gzip", "br"}) {
    const auto reply = connect().call(post("/echo", "x", std::string("Content-Encoding: ") + encoding + "\r\n"));
    expect_error(reply, 415, "unsupported_media_type");
    EXPECT_EQ(reply.json()["details"]["content_encoding"], encoding);
  }
  EXPECT_EQ(connect().call(post("/echo", "x", "Content-Encoding: Identity\r\n")).body, "||x");
}

TEST_F(SessionTest, RefusesAnUnknownExpectation) {
  start();
  auto client = connect();

  expect_error(client.call(get("/fast", "Expect: miracles\r\n")), 417, "validation_error");
}

TEST_F(SessionTest, CutsOffAClientThatIsSlowWithItsHeader) {
  settings.header_timeout_ms = 50;
  start();
  auto client = connect();

  client.send("GET /fast HTTP/1.1\r\nHos");
  const auto reply = client.read();

  expect_error(reply, 408, "timeout");
  EXPECT_EQ(reply.json()["details"]["timeout_ms"], 50);
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, CutsOffAClientThatIsSlowWithItsBody) {
  settings.body_timeout_ms = 50;
  start();
  auto client = connect();

  expect_error(client.call("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbod"), 408, "timeout");
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, ClosesAnIdleConnectionWithoutAWord) {
  settings.idle_timeout_ms = 50;
  start();
  auto client = connect();

  EXPECT_EQ(client.call(get("/fast")).status, 200U);
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, CutsOffAClientThatDoesNotReadItsReply) {
  settings.write_timeout_ms = 50;
  start();
  auto client = connect();

  for (int i = 0; i < 20; ++i) client.send(get("/big"));  // 60 MB, more than the sockets hold
  front_end->stop();  // would wait for the shutdown timeout if the connection were still open

  int whole = 0;
  while (client.read().status == 200) ++whole;
  EXPECT_LT(whole, 20);
}

TEST_F(SessionTest, WritesLargeRepliesWhole) {
  start();
  auto client = connect();

  EXPECT_EQ(client.call(get("/big")).body, std::string(3'000'000, '1'));
  EXPECT_EQ(client.call(get("/fast")).body, "\"fast\"");
}

TEST_F(SessionTest, AnswersAClientThatStoppedSending) {
  start();
  auto client = connect();

  client.send(get("/fast"));
  client.end_sending();

  EXPECT_EQ(client.read().body, "\"fast\"");
  EXPECT_TRUE(client.ended());
}

TEST_F(SessionTest, ClosesWhenTheClientWantsThat) {
  start();
  auto old = connect(), closing = connect();

  EXPECT_EQ(old.call("GET /fast HTTP/1.0\r\n\r\n").body, "\"fast\"");
  EXPECT_TRUE(old.ended());
  EXPECT_EQ(closing.call(get("/fast", "Connection: close\r\n")).header("Connection"), "close");
  EXPECT_TRUE(closing.ended());
}

TEST_F(SessionTest, KeepsAGoodRequestIdAndReplacesABadOne) {
  start();
  auto client = connect();

  EXPECT_EQ(client.call(get("/fast", "X-Request-Id: a.B_9-z\r\n")).header("X-Request-Id"), "a.B_9-z");
  const auto spaces = client.call(get("/fast", "x-request-id: a b\r\n")).header("X-Request-Id");
  const auto longer = client.call(get("/fast", "X-Request-Id: " + std::string(129, 'a') + "\r\n"));
  const auto absent = client.call(get("/fast")).header("X-Request-Id");
  EXPECT_EQ(spaces.size(), 16U);
  EXPECT_EQ(longer.header("X-Request-Id").size(), 16U);
  EXPECT_EQ(absent.size(), 16U);
  EXPECT_NE(spaces, absent);
}

TEST_F(SessionTest, HandsSessionTokenAndAbsoluteTargetOn) {
  start();
  auto client = connect();

  EXPECT_EQ(client.call(post("http://host:1/echo", "b", "X-Session-Token: tok\r\n")).body, "|tok|b");
}

}  // namespace
}  // namespace vectorizer::rest::testing
