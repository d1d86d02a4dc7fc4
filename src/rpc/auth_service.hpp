#pragma once

#include "server_core.hpp"
#include "vectorizer/rpc/v1/auth.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// Opens sessions for whoever asks: only calls in a session prove anything.
class AuthServiceImpl final : public wire::AuthService::CallbackService {
 public:
  explicit AuthServiceImpl(ServerCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* Open(grpc::CallbackServerContext* context, const wire::OpenRequest* request,
                                 wire::OpenReply* reply) override {
    auto* const reactor = context->DefaultReactor();
    if (!core_.sessions.enabled()) {
      reactor->Finish(refusal(grpc::StatusCode::UNAUTHENTICATED,
                              Error{ErrorType::kUnauthorized, "the other node has no cluster.secret"}));
      return reactor;
    }
    auto opened = core_.sessions.open(request->client_nonce());
    if (!opened) {
      reactor->Finish(refusal(grpc::StatusCode::INVALID_ARGUMENT, opened.error()));
      return reactor;
    }
    reply->set_session(opened->session);
    reply->set_server_nonce(opened->server_nonce);
    reply->set_proof(opened->proof);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  ServerCore& core_;
};

}  // namespace vectorizer::rpc
