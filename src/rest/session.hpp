#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "body_buffer.hpp"
#include "dispatch.hpp"
#include "wire.hpp"

namespace vectorizer::rest {

// The concrete executor: the type-erased default costs a virtual call and an allocation per operation.
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// One client connection. Reads a request, has it dispatched, writes the answer, reads the next; requests that arrive
/// meanwhile (pipelining) wait in the buffer. Lives on its io thread: every method is called there, only the completion
/// of a dispatched request comes from elsewhere and is posted back.
///
///   kIdle -> kHeader -> kBody -> kRunning -> kWriting -> kIdle
///              |          |                     |
///              +-> refused (400, 408, 413...) --+--> kLingering -> kClosed
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Clock = std::chrono::steady_clock;
  using OnClose = std::function<void(Session&)>;

  /// `on_close` is called once, from close(), and outlives the session, as do the others.
  Session(Socket socket, const config::ServerSettings& settings, Dispatcher& dispatcher, HttpMetrics& metrics,
          BodyMemory& bodies, const OnClose& on_close);

  void start() { next_request(); }
  /// Answers with the refusal of a connection too many, and closes.
  void turn_away();
  /// Cuts the client off if it is too slow; called often.
  void expire(Clock::time_point now);
  /// Closes if no request has begun.
  void drain();
  void close();

 private:
  enum class State : std::uint8_t { kIdle, kHeader, kBody, kRunning, kWriting, kLingering, kClosed };
  using Parser = boost::beast::http::request_parser<BufferedBody>;

  bool reading() const { return state_ == State::kIdle || state_ == State::kHeader || state_ == State::kBody; }
  void enter(State state, std::uint32_t timeout_ms);
  const std::string& request_id();
  void next_request();
  void read();
  void on_read(const boost::beast::error_code& failure, std::size_t bytes);
  /// Feeds the parser from the buffer, then reads on, runs or refuses.
  void parse();
  void refuse_unreadable(const boost::beast::error_code& failure);
  bool on_header();
  void send_continue();
  void run();
  void refuse(Refusal refusal);
  void respond(Response response, bool keep_alive);
  void on_written(const boost::beast::error_code& failure, bool keep_alive);
  void linger();

  Socket socket_;
  const config::ServerSettings& settings_;
  Dispatcher& dispatcher_;
  HttpMetrics& metrics_;
  BodyMemory& bodies_;
  const OnClose& on_close_;

  State state_ = State::kIdle;
  Clock::time_point deadline_ = Clock::time_point::max();
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  BodyBuffer body_{bodies_};
  Request request_;
  Result<void> query_;  // of request_
  Response response_;   // its body is written from here when it is large
  std::string out_;     // head, and a small body
};

}  // namespace vectorizer::rest
