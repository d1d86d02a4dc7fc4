#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "dispatch.hpp"
#include "listener.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

/// The HTTP server without the API: sockets and threads around a table of routes.
class FrontEnd {
 public:
  /// Binds and serves. `settings` and `registry` outlive the front end, as does whatever the routes refer to.
  static Result<std::unique_ptr<FrontEnd>> start(const config::ServerSettings& settings, MetricsRegistry& registry,
                                                 std::vector<Route> routes);
  /// Waits for running handlers, however long that takes.
  ~FrontEnd();

  /// See Server::stop().
  bool stop();
  std::uint16_t port() const { return port_; }
  /// Brings the gauges up to date that nobody sets in passing.
  void refresh_metrics();

 private:
  using Clock = std::chrono::steady_clock;

  FrontEnd(const config::ServerSettings& settings, MetricsRegistry& registry, std::vector<Route> routes);
  Result<void> bind();
  void wait_for_sessions(Clock::time_point deadline);

  const config::ServerSettings& settings_;
  HttpMetrics metrics_;
  Dispatcher dispatcher_;
  Listener::Shared shared_;
  std::uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::future<void> ended_;  // when no thread runs any more; valid once stop() was called; guarded by stop_mutex_
};

}  // namespace vectorizer::rest
