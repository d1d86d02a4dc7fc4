#pragma once

#include "server_core.hpp"
#include "vectorizer/rpc/v1/membership.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

class MembershipServiceImpl final : public wire::MembershipService::CallbackService {
 public:
  explicit MembershipServiceImpl(ServerCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* context, const wire::HelloMessage* request,
                                  wire::HelloReply* reply) override;
  grpc::ServerUnaryReactor* Remembered(grpc::CallbackServerContext* context, const wire::RememberedRequest* request,
                                       wire::RememberedReply* reply) override;
  grpc::ServerUnaryReactor* Claim(grpc::CallbackServerContext* context, const wire::ClaimRequest* request,
                                  wire::Done* reply) override;
  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context, const wire::HelloMessage* request,
                                 wire::Done* reply) override;
  grpc::ServerUnaryReactor* YouAreRemoved(grpc::CallbackServerContext* context, const wire::RemovedNotice* request,
                                          wire::Done* reply) override;
  grpc::ServerUnaryReactor* SendBeat(grpc::CallbackServerContext* context, const wire::Beat* request,
                                     wire::BeatReply* reply) override;
  grpc::ServerUnaryReactor* Propose(grpc::CallbackServerContext* context, const wire::ProposeRequest* request,
                                    wire::EpochReply* reply) override;
  grpc::ServerUnaryReactor* Barrier(grpc::CallbackServerContext* context, const wire::BarrierRequest* request,
                                    wire::EpochReply* reply) override;

 private:
  template <typename Request, typename Reply, typename Handle>
  grpc::ServerUnaryReactor* serve(Lane& lane, Method method, grpc::CallbackServerContext* context,
                                  const Request* request, Reply* reply, Handle handle);

  ServerCore& core_;
};

}  // namespace vectorizer::rpc
