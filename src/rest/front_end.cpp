#include "front_end.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <thread>

namespace vectorizer::rest {
namespace {

namespace net = boost::asio;
using boost::beast::error_code;
using net::ip::tcp;

// For threads that have nothing to do any more to end.
constexpr std::chrono::milliseconds kJoinTime{200};

Result<tcp::endpoint> resolve(const std::string& host, std::uint16_t port) {
  error_code failure;
  const auto address = net::ip::make_address(host, failure);
  if (!failure) return tcp::endpoint(address, port);
  net::io_context io;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port), failure);
  if (failure || found.empty()) {
    return Error{ErrorType::kInternal, fmt::format("cannot listen on {}:{}: {}", host, port, failure.message())};
  }
  return found.begin()->endpoint();
}

// With SO_REUSEPORT a second server of the same user could share our port unnoticed. A socket without it finds out.
Result<void> check_unused(const tcp::endpoint& endpoint) {
  net::io_context io;
  tcp::acceptor probe(io);
  error_code failure;
  probe.open(endpoint.protocol(), failure);
  if (!failure) probe.set_option(net::socket_base::reuse_address(true), failure);
  if (!failure) probe.bind(endpoint, failure);
  if (!failure) return {};
  return Error{ErrorType::kInternal, fmt::format("cannot listen on {}:{}: {}", endpoint.address().to_string(),
                                                 endpoint.port(), failure.message())};
}

}  // namespace

Result<std::unique_ptr<FrontEnd>> FrontEnd::start(const config::ServerSettings& settings, MetricsRegistry& registry,
                                                  std::vector<Route> routes) {
  std::unique_ptr<FrontEnd> front_end(new FrontEnd(settings, registry, std::move(routes)));
  RETURN_IF_ERROR(front_end->bind());
  for (const auto& listener : front_end->shared_.listeners) listener->run();
  return front_end;
}

FrontEnd::FrontEnd(const config::ServerSettings& settings, MetricsRegistry& registry, std::vector<Route> routes)
    : settings_(settings),
      metrics_(registry),
      dispatcher_(settings_, std::move(routes), metrics_),
      shared_{settings_, dispatcher_,
              metrics_,  BodyMemory(std::max(settings.body_memory_bytes, settings.max_body_bytes)),
              0,         {}} {}

FrontEnd::~FrontEnd() {
  stop();
  ended_.wait();
}

Result<void> FrontEnd::bind() {
  ASSIGN_OR_RETURN(auto endpoint, resolve(settings_.host, settings_.port));
  if (endpoint.port() != 0) RETURN_IF_ERROR(check_unused(endpoint));
  const auto threads =
      settings_.io_threads > 0 ? settings_.io_threads : std::max(1U, std::thread::hardware_concurrency());
  for (std::uint32_t i = 0; i < threads; ++i) {
    auto& listener = shared_.listeners.emplace_back(std::make_unique<Listener>(shared_));
    RETURN_IF_ERROR(listener->listen(endpoint));
    endpoint.port(listener->port());  // of the first, when 0 was asked for
  }
  port_ = endpoint.port();
  return {};
}

void FrontEnd::refresh_metrics() {
  metrics_.queue_depth().Set(static_cast<double>(dispatcher_.queue_depth()));
}

void FrontEnd::wait_for_sessions(Clock::time_point deadline) {
  while (shared_.connections > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // once in a process's life
  }
  if (shared_.connections > 0) {
    spdlog::warn("{} connections had not finished within {} ms and were closed", shared_.connections.load(),
                 settings_.shutdown_timeout_ms);
  }
}

bool FrontEnd::stop() {
  const std::lock_guard lock(stop_mutex_);
  const auto deadline = Clock::now() + std::chrono::milliseconds(settings_.shutdown_timeout_ms);
  if (!ended_.valid()) {
    dispatcher_.drain();
    for (const auto& listener : shared_.listeners) listener->drain();
    wait_for_sessions(deadline);
    dispatcher_.refuse_queued();
    for (const auto& listener : shared_.listeners) listener->close_sessions();
    // On a thread of its own: a handler that hangs must not hang whoever stops the server.
    ended_ = std::async(std::launch::async, [this] {
      dispatcher_.stop();
      for (const auto& listener : shared_.listeners) listener->join();
    });
  }
  return ended_.wait_until(std::max(deadline, Clock::now() + kJoinTime)) == std::future_status::ready;
}

}  // namespace vectorizer::rest
