#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

#include "admission.hpp"
#include "error_codec.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/published.hpp"
#include "vectorizer/rpc/peer_server.hpp"

namespace vectorizer::rpc {

/// What the services of one port share.
struct ServerCore {
  ServerCore(PeerServerOptions given, IdentitySource identity, PeerHandlers first, MetricsRegistry& registry)
      : options(std::move(given)),
        metrics(registry),
        sessions(options.secret),
        admission(std::move(identity), sessions, metrics),
        handlers(std::make_shared<const PeerHandlers>(std::move(first))) {}

  const PeerServerOptions options;
  ServerMetrics metrics;
  SessionTable sessions;
  Admission admission;
  Published<PeerHandlers> handlers;
  std::atomic<std::uint64_t> request_bytes{0};
  Lane reads{"rpc-reads", options.reads.threads, options.reads.queue};
  Lane writes{"rpc-writes", options.writes.threads, options.writes.queue};
  Lane replication{"rpc-replica", options.replication.threads, options.replication.queue};
  Lane checkpoints{"rpc-checkpoint", options.checkpoints.threads, options.checkpoints.queue};
  Lane beats{"rpc-beats", options.beats.threads, options.beats.queue};
  Lane changes{"rpc-changes", options.changes.threads, options.changes.queue};

  void stop_lanes() {
    for (Lane* const lane : {&reads, &writes, &replication, &checkpoints, &beats, &changes}) lane->stop();
  }
};

/// A call from its admission to its answer: counted, timed, and answered exactly once, whoever holds it last.
class ServedCall {
 public:
  ServedCall(ServerCore& core, Method method, grpc::CallbackServerContext& context, std::size_t request_bytes)
      : core_(core), method_(method), request_bytes_(request_bytes), reactor_(context.DefaultReactor()) {
    core_.metrics.in_flight(method_).Increment();
    core_.request_bytes += request_bytes_;
  }
  ~ServedCall() {
    finish(refusal(grpc::StatusCode::INTERNAL, Error{ErrorType::kInternal, "the call was dropped without an answer"}));
  }
  ServedCall(const ServedCall&) = delete;
  ServedCall& operator=(const ServedCall&) = delete;

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }
  /// Nothing of the call, its messages included, may be used afterwards.
  void finish(const grpc::Status& status) {
    if (finished_.exchange(true)) return;
    core_.request_bytes -= request_bytes_;
    core_.metrics.in_flight(method_).Decrement();
    core_.metrics.seconds(method_).Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
    reactor_->Finish(status);
  }
  /// Finishes with the reply, unless nobody could take it.
  void answer(const google::protobuf::Message& reply) {
    const std::size_t bytes = reply.ByteSizeLong();
    if (bytes <= core_.options.max_message_bytes) return finish(grpc::Status::OK);
    finish(refusal(grpc::StatusCode::RESOURCE_EXHAUSTED,
                   Error{ErrorType::kPayloadTooLarge,
                         "the answer to " + std::string(rules(method_).name) + " has " + std::to_string(bytes) +
                             " bytes, at most " + std::to_string(core_.options.max_message_bytes) + " are allowed"}));
  }

 private:
  ServerCore& core_;
  const Method method_;
  const std::size_t request_bytes_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  grpc::ServerUnaryReactor* const reactor_;
  std::atomic<bool> finished_{false};
};

/// Admits a call and runs `handle` on `lane`. `handler` picks who answers from PeerHandlers.
/// @param handle gets (handler, call); must lead to call->answer or call->finish.
template <typename Request, typename Pick, typename Handle>
grpc::ServerUnaryReactor* serve_unary(ServerCore& core, Lane& lane, Method method, grpc::CallbackServerContext* context,
                                      const Request& request, Pick pick, Handle handle) {
  const grpc::Status admitted = core.admission.admit(*context, method);
  if (!admitted.ok()) {
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(admitted);
    return reactor;
  }
  auto call = std::make_shared<ServedCall>(core, method, *context, request.ByteSizeLong());
  auto* const reactor = call->reactor();
  auto* const handler = pick(*core.handlers.get());
  if (handler == nullptr) {
    call->finish(core.admission.not_serving(method));
  } else if (core.request_bytes > core.options.max_request_bytes ||
             !lane.try_post([call, context, handler, handle = std::move(handle)] {
               // Whoever asked may have gone while it waited: then nobody wants it done.
               if (context->IsCancelled()) return call->finish(grpc::Status::CANCELLED);
               handle(*handler, call);
             })) {
    call->finish(core.admission.queue_full(method));
  }
  return reactor;
}

}  // namespace vectorizer::rpc
