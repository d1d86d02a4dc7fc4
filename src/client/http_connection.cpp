#include "http_connection.hpp"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <cstdint>

namespace vectorizer::client {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

/// Starts an operation and runs it to its end. Only asynchronous operations of Beast have timeouts.
template <typename Start>
error_code run(boost::asio::io_context& context, Start start) {
  error_code outcome;
  context.restart();
  start([&outcome](error_code failed, const auto&...) { outcome = failed; });
  context.run();
  return outcome;
}

std::optional<std::chrono::seconds> seconds_of(std::string_view text) {
  std::uint32_t seconds = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

http::request<http::string_body> to_wire(const HttpRequest& request, const Url& server, const std::string& api_key) {
  http::request<http::string_body> wire(request.method, request.target, 11);
  wire.set(http::field::host, server.text().substr(std::string_view("http://").size()));
  wire.set(http::field::user_agent, "vectorizer");
  if (!api_key.empty()) wire.set(http::field::authorization, "Bearer " + api_key);
  if (!request.idempotency_key.empty()) wire.set("Idempotency-Key", request.idempotency_key);
  if (request.method != http::verb::get) {
    wire.set(http::field::content_type, "application/json");
    wire.body() = request.body;
    wire.prepare_payload();
  }
  return wire;
}

}  // namespace

Result<void> HttpConnection::connect() {
  error_code failed;
  boost::asio::ip::tcp::resolver resolver(context_);
  const auto endpoints = resolver.resolve(server_.host, server_.port, failed);
  if (!failed) {
    stream_ = std::make_unique<beast::tcp_stream>(context_);
    stream_->expires_after(timeout_);
    failed = run(context_, [&](auto done) { stream_->async_connect(endpoints, done); });
  }
  if (!failed) stream_->socket().set_option(boost::asio::ip::tcp::no_delay(true), failed);
  if (!failed) return {};
  stream_.reset();
  return Error{ErrorType::kNodeUnreachable, fmt::format("cannot connect to {}: {}", server_.text(), failed.message())};
}

Result<HttpReply> HttpConnection::exchange(const HttpRequest& request) {
  auto wire = to_wire(request, server_, api_key_);
  stream_->expires_after(timeout_);
  error_code failed = run(context_, [&](auto done) { http::async_write(*stream_, wire, done); });
  http::response_parser<http::string_body> parser;
  parser.body_limit(max_reply_bytes_);
  buffer_.clear();
  if (!failed) failed = run(context_, [&](auto done) { http::async_read(*stream_, buffer_, parser, done); });
  if (failed) {
    stream_.reset();
    if (failed == http::error::body_limit) {
      return Error{ErrorType::kPayloadTooLarge,
                   fmt::format("the reply of {} is larger than {} bytes", server_.text(), max_reply_bytes_)};
    }
    return Error{ErrorType::kNodeUnreachable, fmt::format("no reply from {}: {}", server_.text(), failed.message())};
  }
  auto& message = parser.get();
  HttpReply reply{message.result_int(), std::move(message.body()), seconds_of(message[http::field::retry_after])};
  if (!message.keep_alive()) stream_.reset();
  return reply;
}

Result<HttpReply> HttpConnection::send(const HttpRequest& request) {
  if (stream_) {
    auto reply = exchange(request);
    if (reply || reply.error().type != ErrorType::kNodeUnreachable) return reply;
  }
  RETURN_IF_ERROR(connect());
  return exchange(request);
}

}  // namespace vectorizer::client
