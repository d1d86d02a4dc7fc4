#pragma once

#include "server_core.hpp"
#include "vectorizer/rpc/v1/replication.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

class ReplicationServiceImpl final : public wire::ReplicationService::CallbackService {
 public:
  explicit ReplicationServiceImpl(ServerCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* Replicate(grpc::CallbackServerContext* context, const wire::ReplicateRequest* request,
                                      wire::ReplicateReply* reply) override;
  grpc::ServerWriteReactor<wire::CheckpointChunk>* FetchCheckpoint(grpc::CallbackServerContext* context,
                                                                   const wire::CheckpointRequest* request) override;

 private:
  ServerCore& core_;
};

}  // namespace vectorizer::rpc
