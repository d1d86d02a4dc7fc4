#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http.hpp"
#include "http_metrics.hpp"
#include "idempotency.hpp"
#include "router.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/config/settings.hpp"

namespace vectorizer::rest {

/// Takes a request that was read whole to its handler and back: route, media type, idempotency, the request lane,
/// metrics and the access log. One for all connections; thread-safe.
class Dispatcher {
 public:
  using Completion = std::function<void(Response)>;

  Dispatcher(const config::ServerSettings& settings, std::vector<Route> routes, HttpMetrics& metrics);

  /// The answer; or nothing, and `done` will be called once, on another thread. `request` must live until then.
  /// `bad_query` is the error of a query that could not be decoded.
  std::optional<Response> dispatch(Request& request, const Result<void>& bad_query, Completion done);

  std::size_t queue_depth() const { return lane_.depth(); }
  /// Connections close after the request that they are at.
  void drain() { draining_ = true; }
  bool draining() const { return draining_; }
  /// From now on what is still queued is answered with shutting_down.
  void refuse_queued() { stopping_ = true; }
  /// The same, and waits for what runs.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Row {
    std::unique_ptr<RouteMetrics> metrics, head_metrics;
    bool idempotent_write = false;  ///< honours Idempotency-Key
  };
  struct Call {
    Clock::time_point started;
    const Route* route = nullptr;
    const Row* row = nullptr;
    bool claimed = false;  ///< its Idempotency-Key is ours to finish
  };

  std::optional<Error> check_media_type(const Request& request) const;
  std::optional<Response> claim_key(Request& request, Call& call);
  std::optional<Response> enqueue(Request& request, const Call& call, Completion done);
  Response run(const Request& request, const Call& call);
  Response finish(const Request& request, const Call& call, Response response);
  Response fail(const Request& request, const Call& call, const Error& error);

  const config::ServerSettings& settings_;
  HttpMetrics& metrics_;
  const Router router_;
  std::vector<Row> rows_;  // as in router_.routes()
  std::unique_ptr<RouteMetrics> unmatched_[7];
  IdempotencyCache idempotency_{{}};
  std::atomic<bool> draining_ = false, stopping_ = false;
  Lane lane_;  // last: its threads use everything above
};

}  // namespace vectorizer::rest
