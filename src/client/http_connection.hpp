#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "url.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

struct HttpRequest {
  boost::beast::http::verb method = boost::beast::http::verb::get;
  std::string target;
  std::string body;
  std::string idempotency_key;  ///< empty for none
};

struct HttpReply {
  unsigned status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;
};

/// One keep-alive connection, one request at a time, each bounded by the timeout. It connects when it is first used and
/// again after a failure. A request that meets a connection which the server closed while it was idle is sent once
/// more.
class HttpConnection {
 public:
  HttpConnection(Url server, std::string api_key, std::chrono::milliseconds timeout,
                 std::uint64_t max_reply_bytes = std::uint64_t{1} << 30)
      : server_(std::move(server)),
        api_key_(std::move(api_key)),
        timeout_(timeout),
        max_reply_bytes_(max_reply_bytes) {}

  /// Any status is a reply; an Error means that there was none (node_unreachable), or one that is too large
  /// (payload_too_large).
  Result<HttpReply> send(const HttpRequest& request);
  const Url& server() const { return server_; }

 private:
  Result<void> connect();
  /// Sends on the open connection; closes it on failure.
  Result<HttpReply> exchange(const HttpRequest& request);

  Url server_;
  std::string api_key_;
  std::chrono::milliseconds timeout_;
  std::uint64_t max_reply_bytes_;
  boost::asio::io_context context_{1};
  std::unique_ptr<boost::beast::tcp_stream> stream_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace vectorizer::client
