#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

/// Answers one connection after the other; every reply closes its connection.
class FakeServer {
 public:
  explicit FakeServer(std::function<Response(const Request&)> handler) : handler_(std::move(handler)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeServer() {
    stopping_ = true;
    boost::asio::ip::tcp::socket wake(context_);
    boost::system::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

 private:
  void serve() {
    for (;;) {
      boost::asio::ip::tcp::socket socket(context_);
      boost::system::error_code failed;
      acceptor_.accept(socket, failed);
      if (stopping_) return;
      boost::beast::flat_buffer buffer;
      Request request;
      http::read(socket, buffer, request, failed);
      if (failed) continue;
      auto response = handler_(request);
      response.keep_alive(false);
      response.prepare_payload();
      http::write(socket, response, failed);
    }
  }

  std::function<Response(const Request&)> handler_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_{context_, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

Response reply(unsigned status, const std::string& body) {
  Response response;
  response.result(status);
  response.body() = body;
  return response;
}

class ImportTest : public ::testing::Test {
 protected:
  ImportTest() {
    std::filesystem::create_directories(directory_);
    std::ofstream file(directory_ / "v.jsonl");
    for (int i = 0; i < 10; ++i) file << R"({"vector":[)" << i << "]}\n";
  }
  ~ImportTest() override { std::filesystem::remove_all(directory_); }

  int import(const std::string& url, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"vectorizer import",
                                      (directory_ / "v.jsonl").string(),
                                      "--collection",
                                      "c",
                                      "--batch",
                                      "2",
                                      "--connections",
                                      "1",
                                      "--state-dir",
                                      directory_.string(),
                                      "--url",
                                      url};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    return run_import(static_cast<int>(arguments.size()), arguments.data());
  }
  bool has_state() const { return std::filesystem::exists(directory_ / "v.jsonl.c.import-state"); }

  const std::filesystem::path directory_ =
      std::filesystem::path(::testing::TempDir()) / ("import_test." + std::to_string(::getpid()));
  std::vector<std::uint64_t> ids_;  // acknowledged, in order
  std::vector<std::string> keys_;   // of all upserts
  int refuse_at_ = -1;              // the number of the upsert that gets refuse_with_
  unsigned refuse_with_ = 503;

  std::uint64_t present_ = 0;  // vectors that the collection says it has
  bool exists_ = false;        // so that it is not created
  int dropped_ = 0;

  Response handle(const Request& request) {
    if (request.method() == http::verb::get) {
      return reply(200, R"({"dimension":1,"metric":"cosine","vector_count":)" + std::to_string(present_) + "}");
    }
    if (request.method() == http::verb::delete_) ++dropped_;
    if (request.target() == "/collections") {
      if (exists_) return reply(409, R"({"error_type":"collection_already_exists","message":"exists"})");
      return reply(201, "{}");
    }
    if (request.method() == http::verb::delete_) return reply(200, "{}");
    keys_.emplace_back(request["Idempotency-Key"]);
    if (static_cast<int>(keys_.size()) - 1 == refuse_at_) {
      auto refused = reply(refuse_with_, R"({"error_type":"x","message":"no"})");
      refused.set(http::field::retry_after, "0");
      return refused;
    }
    const auto body = nlohmann::json::parse(request.body());
    for (const auto& vector : body.at("vectors")) ids_.push_back(vector.at("id"));
    return reply(200, "{}");
  }
};

TEST_F(ImportTest, RepeatsAnUnavailableBatchUnderTheSameKey) {
  refuse_at_ = 1;
  const FakeServer server([this](const Request& request) { return handle(request); });
  EXPECT_EQ(import(server.url()), 0);
  EXPECT_EQ(ids_, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  ASSERT_EQ(keys_.size(), 6U);
  EXPECT_EQ(keys_[1], keys_[2]);
  EXPECT_EQ(std::set<std::string>(keys_.begin(), keys_.end()).size(), 5U);
  EXPECT_FALSE(has_state());
}

TEST_F(ImportTest, StopsAtARefusedBatchAndGoesOnFromThere) {
  refuse_at_ = 2;
  refuse_with_ = 400;
  const FakeServer server([this](const Request& request) { return handle(request); });
  EXPECT_EQ(import(server.url()), 1);
  EXPECT_EQ(ids_, (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_TRUE(has_state());
  EXPECT_EQ(import(server.url()), 0);
  EXPECT_EQ(ids_, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_FALSE(has_state());
}

TEST_F(ImportTest, AFailureBeforeTheFirstRowLeavesNothingBehind) {
  refuse_at_ = 0;
  refuse_with_ = 400;
  const FakeServer server([this](const Request& request) { return handle(request); });
  EXPECT_EQ(import(server.url(), {"--create"}), 1);
  EXPECT_EQ(dropped_, 1);
  EXPECT_FALSE(has_state());
  EXPECT_TRUE(std::filesystem::is_empty(directory_) ||
              std::distance(std::filesystem::directory_iterator(directory_), {}) == 1);
}

TEST_F(ImportTest, OnlyANewAndEmptyCollectionIsTakenBack) {
  refuse_with_ = 400;
  const FakeServer server([this](const Request& request) { return handle(request); });
  refuse_at_ = 0;
  present_ = 1;  // somebody else was faster, or the refused batch has arrived after all
  EXPECT_EQ(import(server.url(), {"--create"}), 1);
  present_ = 0;
  exists_ = true;
  refuse_at_ = 1;
  EXPECT_EQ(import(server.url(), {"--create"}), 1);
  exists_ = false;
  refuse_at_ = 3;
  EXPECT_EQ(import(server.url(), {"--create"}), 1);
  EXPECT_EQ(dropped_, 0);
  EXPECT_TRUE(has_state());
}

}  // namespace
}  // namespace vectorizer::client
