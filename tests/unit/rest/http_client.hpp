#pragma once

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace vectorizer::rest::testing {

/// One connection to 127.0.0.1 on which the bytes of requests are written by hand.
class HttpClient {
 public:
  struct Reply {
    unsigned status = 0;  ///< 0: the connection ended instead
    boost::beast::http::fields headers;
    std::string body;

    std::string header(const std::string& name) const { return std::string(headers[name]); }
    nlohmann::json json() const { return nlohmann::json::parse(body); }
  };

  explicit HttpClient(std::uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port}, failure_);
  }
  bool connected() const { return !failure_; }

  void send(const std::string& bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes), failure_); }
  void end_sending() { socket_.shutdown(boost::asio::socket_base::shutdown_send, failure_); }

  Reply read(bool head = false) {
    boost::beast::http::response_parser<boost::beast::http::string_body> parser;
    parser.body_limit(1U << 30);
    parser.skip(head);
    boost::beast::error_code failure;
    boost::beast::http::read(socket_, buffer_, parser, failure);
    if (failure) return {};
    const auto& message = parser.get();
    return {message.result_int(), message.base(), message.body()};
  }
  Reply call(const std::string& request, bool head = false) {
    send(request);
    return read(head);
  }
  /// Waits for the end of the connection; false if bytes come instead.
  bool ended() {
    char byte = 0;
    boost::beast::error_code failure;
    if (buffer_.size() > 0) return false;
    return socket_.read_some(boost::asio::buffer(&byte, 1), failure) == 0;
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  boost::beast::error_code failure_;
};

inline std::string get(const std::string& target, const std::string& headers = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}
inline std::string post(const std::string& target, const std::string& body, const std::string& headers = {}) {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

}  // namespace vectorizer::rest::testing
