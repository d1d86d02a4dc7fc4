#pragma once

#include <cstdint>
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
  ~FrontEnd();

  /// See Server::stop().
  void stop();
  std::uint16_t port() const { return port_; }
  /// Brings the gauges up to date that nobody sets in passing.
  void refresh_metrics();

 private:
  FrontEnd(const config::ServerSettings& settings, MetricsRegistry& registry, std::vector<Route> routes);
  Result<void> bind();
  void wait_for_sessions();

  const config::ServerSettings& settings_;
  HttpMetrics metrics_;
  Dispatcher dispatcher_;
  Listener::Shared shared_;
  std::uint16_t port_ = 0;
  std::mutex stop_mutex_;
  bool stopped_ = false;  // guarded by stop_mutex_
};

}  // namespace vectorizer::rest
