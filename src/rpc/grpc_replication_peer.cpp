#include "grpc_replication_peer.hpp"

#include <utility>

#include "call.hpp"
#include "checkpoint_fetch.hpp"
#include "error_codec.hpp"
#include "replication_codec.hpp"

namespace vectorizer::rpc {
namespace {

using ReplicationLine = Line<wire::ReplicationService>;

/// One replicate on its way. It owns everything that gRPC uses, and itself: it is held by the callback that ends it.
class ReplicateCall : public std::enable_shared_from_this<ReplicateCall> {
 public:
  ReplicateCall(ClientCore& core, std::shared_ptr<ReplicationLine> line, peer::ReplicateRequest request,
                peer::ReplicationPeer::OnReply on_reply)
      : core_(core),
        line_(std::move(line)),
        on_reply_(std::move(on_reply)),
        start_(Clock::now()),
        deadline_(start_ + core.options.timeout) {
    encode_replicate(std::move(request), request_);
  }

  void start() {
    if (auto fits = check_size(core_, line_->target, Method::kReplicate, request_); !fits) return finish(fits.error());
    if (line_->link.session_ready()) return send();
    post_send();
  }

 private:
  /// Opening a session blocks, which the caller of replicate may not.
  void post_send() {
    if (!core_.starts.try_post([self = shared_from_this()] { self->send(); })) {
      finish(Error{ErrorType::kOverloaded, "too many calls to other nodes wait for a session"});
    }
  }

  void send() {
    auto session = line_->link.session(core_, line_->target, deadline_);
    if (!session) return finish(as_unreachable(session.error(), line_->target));
    session_ = *std::move(session);
    context_ = std::make_unique<grpc::ClientContext>();
    prepare(*context_, core_, line_->target, Method::kReplicate, session_, deadline_);
    if (!core_.calls.add(*context_)) return finish(stopped_error(line_->target));
    line_->stub->async()->Replicate(context_.get(), &request_, &reply_,
                                    [self = shared_from_this()](const grpc::Status& status) { self->ended(status); });
  }

  void ended(const grpc::Status& status) {
    const auto self = shared_from_this();
    const auto ended_context = std::exchange(context_, nullptr);
    if (is_session_lost(status) && !reopened_) {
      reopened_ = true;
      line_->link.forget_session(session_);
      post_send();
    } else if (status.ok()) {
      core_.metrics.answered(line_->target.name(), Method::kReplicate,
                             std::chrono::duration<double>(Clock::now() - start_).count());
      finish(decode_replicate_reply(reply_));
    } else {
      finish(as_unreachable(call_error(status, line_->target, Method::kReplicate, deadline_), line_->target));
    }
    core_.calls.remove(*ended_context);  // the last use of core_, which waits for this
  }

  void finish(Result<peer::ReplicateReply> result) {
    if (!result) core_.metrics.failed(line_->target.name(), Method::kReplicate, result.error().type);
    auto task = [on_reply = std::move(on_reply_), result = std::move(result)]() mutable {
      on_reply(std::move(result));
    };
    // Not lost when the lane is full: exactly one answer was promised.
    auto shared = std::make_shared<decltype(task)>(std::move(task));
    if (!core_.replies.try_post([shared] { (*shared)(); })) (*shared)();
  }

  ClientCore& core_;
  const std::shared_ptr<ReplicationLine> line_;
  peer::ReplicationPeer::OnReply on_reply_;
  const Clock::time_point start_;
  const Clock::time_point deadline_;
  std::shared_ptr<CallProver> session_;
  std::unique_ptr<grpc::ClientContext> context_;
  wire::ReplicateRequest request_;
  wire::ReplicateReply reply_;
  bool reopened_ = false;
};

}  // namespace

void GrpcReplicationPeer::replicate(peer::ReplicateRequest request, OnReply on_reply) {
  auto line = line_.get();
  if (!line) return on_reply(unreachable_error({node_, {}, 0}, "its address is not known"));
  std::make_shared<ReplicateCall>(core_, std::move(line), std::move(request), std::move(on_reply))->start();
}

Result<void> GrpcReplicationPeer::fetch_checkpoint(const ShardId& shard, std::uint64_t term,
                                                   peer::CheckpointSink& sink) {
  const auto line = line_.get();
  if (!line) return unreachable_error({node_, {}, 0}, "its address is not known");
  return fetch_checkpoint_from(core_, line->target, shard, term, sink);
}

}  // namespace vectorizer::rpc
