#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <vector>

#include "front_end.hpp"
#include "http_client.hpp"

namespace vectorizer::rest::testing {

/// A front end on a free port with a few routes that show what the edge does:
/// /fast (io thread), /echo, /gate (request lane; announces itself, then waits), /throw, and one idempotent write.
class FrontEndTest : public ::testing::Test {
 protected:
  FrontEndTest() {
    settings.port = 0;
    settings.io_threads = 2;
    settings.request_threads = 1;
    settings.queue_limit = 1;
    settings.max_body_bytes = 1000;
    settings.max_header_bytes = 2000;
    settings.shutdown_timeout_ms = 10000;
  }
  ~FrontEndTest() override {
    open_gate.release(100);
    front_end.reset();
  }

  void start() {
    auto started = FrontEnd::start(settings, registry, routes());
    ASSERT_TRUE(started) << started.error().message;
    front_end = std::move(*started);
  }
  HttpClient connect() { return HttpClient(front_end->port()); }

  static Response text(std::string body) {
    Response response;
    response.body = std::move(body);
    return response;
  }
  std::vector<Route> routes() {
    return {
        {Method::kGet, "/fast", RunOn::kIoThread, [](const Request&) { return text("\"fast\""); }},
        {Method::kGet, "/big", RunOn::kIoThread, [](const Request&) { return text(std::string(3'000'000, '1')); }},
        {Method::kPost, "/echo", RunOn::kIoThread,
         [](const Request& r) {
           for (std::size_t i = 0; i < Request::kBodyPadding; ++i) EXPECT_EQ(r.body.data()[r.body.size() + i], '\0');
           return text(r.content_type + "|" + r.session_token + "|" + std::string(r.body));
         }},
        {Method::kGet, "/gate", RunOn::kRequestLane,
         [this](const Request&) {
           at_gate.release();
           open_gate.acquire();
           return text("\"through\"");
         }},
        {Method::kGet, "/throw", RunOn::kRequestLane,
         [](const Request&) -> Response { throw std::runtime_error("disk on fire"); }},
        {Method::kPost, "/collections/{name}/vectors", RunOn::kRequestLane,
         [this](const Request& r) {
           if (r.body == "wait") {
             at_gate.release();
             open_gate.acquire();
           }
           return text(std::to_string(++writes));
         }},
    };
  }

  config::ServerSettings settings;
  MetricsRegistry registry;
  std::counting_semaphore<1000> at_gate{0}, open_gate{0};
  std::atomic<int> writes = 0;
  std::unique_ptr<FrontEnd> front_end;
};

inline void expect_error(const HttpClient::Reply& reply, unsigned status, const std::string& type) {
  ASSERT_EQ(reply.status, status) << reply.body;
  const auto body = reply.json();
  EXPECT_EQ(body["error_type"], type) << reply.body;
  EXPECT_EQ(body["status_code"], status);
  EXPECT_TRUE(body["details"].is_object());
  EXPECT_EQ(body["request_id"], reply.header("X-Request-Id"));
}

}  // namespace vectorizer::rest::testing
