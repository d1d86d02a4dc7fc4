#include "replication_service.hpp"

#include <utility>

#include "checkpoint_stream.hpp"
#include "replication_codec.hpp"

namespace vectorizer::rpc {

grpc::ServerUnaryReactor* ReplicationServiceImpl::Replicate(grpc::CallbackServerContext* context,
                                                            const wire::ReplicateRequest* request,
                                                            wire::ReplicateReply* reply) {
  return serve_unary(
      core_, core_.replication, Method::kReplicate, context, *request,
      [](const PeerHandlers& handlers) { return handlers.replication; },
      [request, reply](peer::ReplicationPeer& peer, const std::shared_ptr<ServedCall>& call) {
        // The request is ours until the call is finished, and nobody else reads it: its entries are moved.
        peer.replicate(decode_replicate(*const_cast<wire::ReplicateRequest*>(request)),
                       [call, reply](Result<peer::ReplicateReply> result) {
                         encode_result(std::move(result), *reply, [reply](const peer::ReplicateReply& answer) {
                           encode_replicate_reply(answer, *reply);
                         });
                         call->answer(*reply);
                       });
      });
}

grpc::ServerWriteReactor<wire::CheckpointChunk>* ReplicationServiceImpl::FetchCheckpoint(
    grpc::CallbackServerContext* context, const wire::CheckpointRequest* request) {
  const grpc::Status admitted = core_.admission.admit(*context, Method::kFetchCheckpoint);
  auto* const stream = new CheckpointStream(core_, *context);  // deletes itself when gRPC is done with it
  if (!admitted.ok()) {
    stream->refuse(admitted);
    return stream;
  }
  auto* const handler = core_.handlers.get()->replication;
  const ShardId shard(request->shard());
  const std::uint64_t term = request->term();
  if (handler == nullptr) {
    stream->refuse(core_.admission.not_serving(Method::kFetchCheckpoint));
  } else if (!core_.checkpoints.try_post([stream, handler, shard, term] { stream->run(*handler, shard, term); })) {
    stream->refuse(core_.admission.queue_full(Method::kFetchCheckpoint));
  }
  return stream;
}

}  // namespace vectorizer::rpc
