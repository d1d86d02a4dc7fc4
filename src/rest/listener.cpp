#include "listener.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace vectorizer::rest {
namespace {

namespace net = boost::asio;
using boost::beast::error_code;
using net::ip::tcp;
using ReusePort = net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Beyond the limit, so many more connections are told why they are turned away; the rest are just closed.
constexpr std::uint32_t kTurnedAway = 256;
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

// Often enough that a client is cut off within a quarter more than its time.
std::chrono::milliseconds sweep_interval(const config::ServerSettings& settings) {
  const auto shortest = std::min(
      {settings.header_timeout_ms, settings.body_timeout_ms, settings.idle_timeout_ms, settings.write_timeout_ms});
  return std::chrono::milliseconds(std::clamp(shortest / 4, 5U, 250U));
}

}  // namespace

Listener::Listener(Shared& shared)
    : shared_(shared),
      work_(net::make_work_guard(io_)),
      acceptor_(io_.get_executor()),
      sweep_timer_(io_.get_executor()),
      retry_timer_(io_.get_executor()),
      on_close_([this](Session& session) { forget(session); }) {}

Listener::~Listener() {
  join();
}

Result<void> Listener::listen(const tcp::endpoint& endpoint) {
  const auto failed = [&](const error_code& failure) {
    return Error{ErrorType::kInternal, fmt::format("cannot listen on {}:{}: {}", endpoint.address().to_string(),
                                                   endpoint.port(), failure.message())};
  };
  error_code failure;
  acceptor_.open(endpoint.protocol(), failure);
  if (failure) return failed(failure);
  acceptor_.set_option(net::socket_base::reuse_address(true), failure);
  if (!failure) acceptor_.set_option(ReusePort(true), failure);
  if (!failure) acceptor_.bind(endpoint, failure);
  if (!failure) acceptor_.listen(net::socket_base::max_listen_connections, failure);
  if (failure) return failed(failure);
  return {};
}

std::uint16_t Listener::port() const {
  error_code failure;
  return acceptor_.local_endpoint(failure).port();
}

void Listener::run() {
  net::post(io_, [this] { accept(); });
  thread_ = std::thread([this] { io_.run(); });
  pthread_setname_np(thread_.native_handle(), "http-io");
}

void Listener::accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept([this](const error_code& failure, Socket socket) {
    if (failure == net::error::operation_aborted) return;
    if (!failure) {
      place(std::move(socket));
      return accept();
    }
    // Out of descriptors, most likely: accepting again at once would spin.
    spdlog::warn("cannot accept a connection: {}", failure.message());
    retry_timer_.expires_after(kAcceptRetry);
    retry_timer_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

// The kernel spreads connections over the acceptors by a hash: a few connections may all come to one thread. The thread
// with the fewest serves the next.
void Listener::place(Socket socket) {
  Listener* target = this;
  for (const auto& other : shared_.listeners) {
    if (other->load_ < target->load_) target = other.get();
  }
  ++target->load_;
  if (target == this) return adopt(std::move(socket));
  error_code failure;
  const auto protocol = socket.local_endpoint(failure).protocol();
  Socket moved(target->io_.get_executor());
  const auto handle = failure ? -1 : socket.release(failure);
  if (!failure) moved.assign(protocol, handle, failure);
  if (failure) {
    --target->load_;
    return;
  }
  net::post(target->io_, [target, moved = std::move(moved)]() mutable { target->adopt(std::move(moved)); });
}

void Listener::adopt(Socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto limit = shared_.settings.max_connections;
  const auto open = ++shared_.connections;
  shared_.metrics.connections().Set(open);
  auto session = std::make_shared<Session>(std::move(socket), shared_.settings, shared_.dispatcher, shared_.metrics,
                                           shared_.bodies, on_close_);
  sessions_.emplace(session.get(), session);
  if (open > limit + kTurnedAway) return session->close();
  if (!sweeping_) sweep();
  if (open > limit) return session->turn_away();
  session->start();
}

void Listener::forget(Session& session) {
  sessions_.erase(&session);
  --load_;
  const auto open = --shared_.connections;
  shared_.metrics.connections().Set(open);
}

// One timer for all connections: arming one per read and write would cost more than parsing a request.
void Listener::sweep() {
  const auto now = Clock::now();
  for (const auto& session : sessions()) session->expire(now);
  sweeping_ = !sessions_.empty();
  if (!sweeping_) return;
  sweep_timer_.expires_after(sweep_interval(shared_.settings));
  sweep_timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) sweep();
  });
}

std::vector<std::shared_ptr<Session>> Listener::sessions() const {
  std::vector<std::shared_ptr<Session>> copies;
  copies.reserve(sessions_.size());
  for (const auto& [key, session] : sessions_) copies.push_back(session);
  return copies;
}

void Listener::drain() {
  net::post(io_, [this] {
    error_code ignored;
    acceptor_.close(ignored);
    retry_timer_.cancel();
    for (const auto& session : sessions()) session->drain();
  });
}

void Listener::close_sessions() {
  net::post(io_, [this] {
    for (const auto& session : sessions()) session->close();
  });
}

void Listener::join() {
  if (!thread_.joinable()) return;
  close_sessions();
  net::post(io_, [this] { sweep_timer_.cancel(); });
  work_.reset();
  thread_.join();
}

}  // namespace vectorizer::rest
