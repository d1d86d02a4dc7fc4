#include "session.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

namespace vectorizer::rest {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t kReadBytes = 64U << 10;
// A body up to this is copied behind the head; a larger one is written from where it is.
constexpr std::size_t kCopiedBody = 32U << 10;
constexpr std::uint32_t kLingerMs = 1000;

}  // namespace

Session::Session(Socket socket, const config::ServerSettings& settings, Dispatcher& dispatcher, HttpMetrics& metrics,
                 BodyMemory& bodies, const OnClose& on_close)
    : socket_(std::move(socket)),
      settings_(settings),
      dispatcher_(dispatcher),
      metrics_(metrics),
      bodies_(bodies),
      on_close_(on_close) {
  buffer_.reserve(kReadBytes);
}

void Session::enter(State state, std::uint32_t timeout_ms) {
  state_ = state;
  deadline_ = Clock::now() + std::chrono::milliseconds(timeout_ms);
}

// Of the request under way, also when its header never came to an end.
const std::string& Session::request_id() {
  if (request_.request_id.empty()) request_.request_id = make_request_id();
  return request_.request_id;
}

void Session::next_request() {
  if (buffer_.size() == 0 && dispatcher_.draining()) return close();
  body_.clear();
  parser_.emplace();
  parser_->header_limit(settings_.max_header_bytes);
  parser_->body_limit(settings_.max_body_bytes);
  parser_->get().body() = &body_;
  request_.method = Method::kGet;
  request_.request_id = {};
  if (buffer_.size() == 0) {
    enter(State::kIdle, settings_.idle_timeout_ms);
    return read();
  }
  enter(State::kHeader, settings_.header_timeout_ms);
  parse();
}

void Session::read() {
  socket_.async_read_some(
      buffer_.prepare(kReadBytes),
      [self = shared_from_this()](const error_code& failure, std::size_t bytes) { self->on_read(failure, bytes); });
}

void Session::on_read(const error_code& failure, std::size_t bytes) {
  if (!reading()) return;  // refused or closed meanwhile
  if (failure) return close();
  buffer_.commit(bytes);
  if (state_ == State::kIdle) enter(State::kHeader, settings_.header_timeout_ms);
  parse();
}

void Session::parse() {
  while (!parser_->is_done()) {
    if (buffer_.size() == 0) return read();
    const bool had_header = parser_->is_header_done();
    error_code failure;
    buffer_.consume(parser_->put(buffer_.data(), failure));
    if (failure == http::error::need_more) return read();
    if (failure) return refuse_unreadable(failure);
    if (!had_header && parser_->is_header_done() && !on_header()) return;
  }
  run();
}

void Session::refuse_unreadable(const error_code& failure) {
  // What there is of its header says who asks.
  if (request_.request_id.empty()) query_ = read_header(parser_->get(), request_);
  if (failure == BufferedBody::kNoMemory) return refuse(refuse_body(bodies_.used(), bodies_.limit(), request_id()));
  refuse(refuse_parse_error(failure, settings_, request_id()));
}

// False when the header was refused, or when reading goes on after "100 Continue".
bool Session::on_header() {
  const auto& header = parser_->get();
  query_ = read_header(header, request_);
  if (auto refusal = check_header(header, request_.request_id)) {
    refuse(std::move(*refusal));
    return false;
  }
  if (parser_->is_done()) return true;
  enter(State::kBody, settings_.body_timeout_ms);
  parser_->eager(true);
  if (buffer_.size() == 0 && header.version() == 11 && header.count(http::field::expect) > 0) {
    send_continue();
    return false;
  }
  return true;
}

void Session::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  net::async_write(socket_, net::buffer(kContinue),
                   [self = shared_from_this()](const error_code& failure, std::size_t) {
                     if (!self->reading()) return;
                     if (failure) return self->close();
                     self->read();
                   });
}

void Session::run() {
  state_ = State::kRunning;  // the handler has its own deadline
  deadline_ = Clock::time_point::max();
  request_.body = body_.padded_view();
  const bool keep_alive = parser_->keep_alive();
  auto response =
      dispatcher_.dispatch(request_, query_, [self = shared_from_this(), keep_alive](Response answer) mutable {
        auto executor = self->socket_.get_executor();
        // Moves the reference along: the session must end on its io thread.
        net::post(executor, [self = std::move(self), keep_alive, answer = std::move(answer)]() mutable {
          self->respond(std::move(answer), keep_alive);
        });
      });
  if (response) respond(std::move(*response), keep_alive);
}

void Session::refuse(Refusal refusal) {
  metrics_.rejected(refusal.reason);
  respond(std::move(refusal.response), false);
}

void Session::respond(Response response, bool keep_alive) {
  if (state_ == State::kClosed) return;
  keep_alive = keep_alive && !dispatcher_.draining();
  body_.clear();  // nobody reads it any more
  response_ = std::move(response);
  out_.clear();
  append_head(out_, response_, request_.request_id, keep_alive);
  const bool with_body = request_.method != Method::kHead;
  enter(State::kWriting, settings_.write_timeout_ms);
  auto written = [self = shared_from_this(), keep_alive](const error_code& failure, std::size_t) {
    self->on_written(failure, keep_alive);
  };
  if (with_body && response_.body.size() > kCopiedBody) {
    const std::array<net::const_buffer, 2> parts{net::buffer(out_), net::buffer(response_.body)};
    net::async_write(socket_, parts, std::move(written));
  } else {
    if (with_body) out_ += response_.body;
    net::async_write(socket_, net::buffer(out_), std::move(written));
  }
}

void Session::on_written(const error_code& failure, bool keep_alive) {
  if (state_ != State::kWriting) return;
  if (failure) return close();
  if (keep_alive) {
    if (response_.body.capacity() > kCopiedBody) response_.body = {};
    return next_request();
  }
  // Closing while the client still sends would reset the connection and may destroy the answer on its way.
  error_code ignored;
  socket_.shutdown(net::socket_base::shutdown_send, ignored);
  enter(State::kLingering, kLingerMs);
  linger();
}

void Session::linger() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](const error_code& failure, std::size_t) {
                            if (self->state_ != State::kLingering) return;
                            if (failure) return self->close();
                            self->linger();
                          });
}

void Session::turn_away() {
  refuse(refuse_connection(settings_.max_connections, request_id()));
}

void Session::expire(Clock::time_point now) {
  if (now < deadline_) return;
  if (state_ != State::kHeader && state_ != State::kBody) return close();
  const auto limit = state_ == State::kHeader ? settings_.header_timeout_ms : settings_.body_timeout_ms;
  error_code ignored;
  socket_.cancel(ignored);  // the read under way
  refuse(refuse_slow_client(limit, request_id()));
}

void Session::drain() {
  if (state_ == State::kIdle || state_ == State::kLingering) close();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  error_code ignored;
  socket_.close(ignored);
  on_close_(*this);
}

}  // namespace vectorizer::rest
