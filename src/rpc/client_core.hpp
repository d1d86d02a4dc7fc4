#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "client_metrics.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/rpc/grpc_peers.hpp"

namespace vectorizer::rpc {

using Clock = std::chrono::steady_clock;

/// The calls that are in flight, so that stopping ends them instead of waiting for their deadlines. Thread-safe.
class CallsInFlight {
 public:
  /// False once stopped: the call must not be made.
  /// @param awaited stop() waits until it is removed; false for what a caller may hold for as long as he likes.
  bool add(grpc::ClientContext& context, bool awaited = true);
  void remove(grpc::ClientContext& context);
  bool stopped() const;
  /// Sleeps until then, or until stopped.
  void sleep_until(Clock::time_point time);
  /// Cancels all and waits until those that are awaited were removed.
  void stop();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<grpc::ClientContext*> awaited_, held_;
  bool stopped_ = false;
};

/// What all clients of one process share.
struct ClientCore {
  ClientCore(GrpcPeersOptions given, IdentitySource source, MetricsRegistry& registry)
      : options(std::move(given)), identity(std::move(source)), metrics(registry) {}

  const GrpcPeersOptions options;
  const IdentitySource identity;
  ClientMetrics metrics;
  const std::shared_ptr<CallsInFlight> shared_calls =
      std::make_shared<CallsInFlight>();  ///< for streams: they may outlive this
  CallsInFlight& calls = *shared_calls;
  /// Callbacks of callers run here: gRPC's own few threads must not wait for a caller's locks.
  Lane replies{"rpc-replies", 2, 65536};
  /// Begins calls that may not block their caller but must open a session first.
  Lane starts{"rpc-starts", 2, 4096};
};

}  // namespace vectorizer::rpc
