#pragma once

#include "server_core.hpp"
#include "vectorizer/rpc/v1/data.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

class DataServiceImpl final : public wire::DataService::CallbackService {
 public:
  explicit DataServiceImpl(ServerCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* Write(grpc::CallbackServerContext* context, const wire::WriteRequest* request,
                                  wire::WriteReply* reply) override;
  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context, const wire::SearchRequest* request,
                                   wire::SearchReply* reply) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const wire::GetRequest* request,
                                wire::GetReply* reply) override;
  grpc::ServerUnaryReactor* Scroll(grpc::CallbackServerContext* context, const wire::ScrollRequest* request,
                                   wire::ScrollReply* reply) override;
  grpc::ServerUnaryReactor* Count(grpc::CallbackServerContext* context, const wire::CountRequest* request,
                                  wire::CountReply* reply) override;
  grpc::ServerUnaryReactor* Matching(grpc::CallbackServerContext* context, const wire::MatchingRequest* request,
                                     wire::MatchingReply* reply) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context, const wire::ReportRequest* request,
                                   wire::ReportReply* reply) override;
  grpc::ServerUnaryReactor* Digest(grpc::CallbackServerContext* context, const wire::DigestRequest* request,
                                   wire::DigestReply* reply) override;
  grpc::ServerUnaryReactor* Snapshot(grpc::CallbackServerContext* context, const wire::SnapshotRequest* request,
                                     wire::SnapshotReply* reply) override;

 private:
  template <typename Request, typename Reply, typename Handle>
  grpc::ServerUnaryReactor* read(Method method, grpc::CallbackServerContext* context, const Request* request,
                                 Reply* reply, Handle handle);

  ServerCore& core_;
};

}  // namespace vectorizer::rpc
