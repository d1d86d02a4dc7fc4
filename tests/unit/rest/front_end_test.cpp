#include "front_end.hpp"

#include <thread>

#include "front_end_fixture.hpp"

namespace vectorizer::rest::testing {
namespace {

TEST_F(FrontEndTest, StopLetsRunningRequestsFinish) {
  settings.io_threads = 1;  // so that the idle connection closes after the only acceptor
  start();
  auto running = connect(), idle = connect();
  EXPECT_EQ(idle.call(get("/fast")).status, 200U);
  running.send(get("/gate"));
  at_gate.acquire();

  std::thread stopping([this] { front_end->stop(); });
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(HttpClient(front_end->port()).connected());
  open_gate.release();

  const auto reply = running.read();
  EXPECT_EQ(reply.body, "\"through\"");
  EXPECT_EQ(reply.header("Connection"), "close");
  stopping.join();
}

TEST_F(FrontEndTest, StopClosesWhatDoesNotFinishInTime) {
  settings.shutdown_timeout_ms = 20;
  start();
  auto running = connect(), queued = connect();
  running.send(get("/gate"));
  at_gate.acquire();
  queued.send(post("/collections/a/vectors", "1"));

  std::thread stopping([this] { front_end->stop(); });
  EXPECT_TRUE(running.ended());
  EXPECT_TRUE(queued.ended());
  open_gate.release();
  stopping.join();

  EXPECT_EQ(writes, 0) << "a queued write whose client is gone is not begun";
}

TEST_F(FrontEndTest, StopDoesNotWaitForAHandlerBeyondItsTime) {
  settings.shutdown_timeout_ms = 20;
  start();
  auto running = connect();
  running.send(get("/gate"));
  at_gate.acquire();

  EXPECT_FALSE(front_end->stop());
  EXPECT_FALSE(front_end->stop());

  open_gate.release();
  settings.shutdown_timeout_ms = 10000;
  EXPECT_TRUE(front_end->stop());
}

TEST_F(FrontEndTest, StopIsIdempotent) {
  start();
  EXPECT_TRUE(front_end->stop());
  EXPECT_TRUE(front_end->stop());
}

TEST_F(FrontEndTest, ConnectionsBeyondTheLimitAreTurnedAway) {
  settings.max_connections = 2;
  start();
  auto first = connect();
  EXPECT_EQ(first.call(get("/fast")).status, 200U);
  {
    auto second = connect();
    EXPECT_EQ(second.call(get("/fast")).status, 200U);
    auto third = connect();
    const auto reply = third.read();
    expect_error(reply, 429, "overloaded");
    EXPECT_EQ(reply.json()["details"]["queue"], "connections");
    EXPECT_EQ(reply.header("Retry-After"), "1");
    EXPECT_TRUE(third.ended());
  }
  auto& connections = registry.gauge("vectorizer_http_connections", "Open client connections");
  while (connections.Value() > 1) std::this_thread::yield();
  auto again = connect();
  EXPECT_EQ(again.call(get("/fast")).status, 200U);
}

TEST_F(FrontEndTest, PortInUseIsAnErrorThatNamesIt) {
  start();
  auto settings_of_second = settings;
  settings_of_second.port = front_end->port();
  MetricsRegistry other;

  const auto second = FrontEnd::start(settings_of_second, other, routes());

  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(front_end->port())), std::string::npos);
}

TEST_F(FrontEndTest, UnknownHostIsAnErrorThatNamesIt) {
  settings.host = "256.0.0.1";

  const auto started = FrontEnd::start(settings, registry, routes());

  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("256.0.0.1"), std::string::npos);
}

TEST_F(FrontEndTest, ServesManyConnectionsAtOnce) {
  start();
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      auto client = connect();
      for (int j = 0; j < 200; ++j) answered += client.call(post("/echo", std::to_string(j))).status == 200 ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(answered, 1600);
}

}  // namespace
}  // namespace vectorizer::rest::testing
