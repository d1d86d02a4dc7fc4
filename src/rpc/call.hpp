#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <string_view>

#include "link.hpp"

namespace vectorizer::rpc {

Error stopped_error(const Target& target);
/// "Failed to get client for node '…' …".
Error unreachable_error(const Target& target, std::string_view why);
/// For a status of gRPC's own: nobody answered. @param changes the outcome is unknown then.
Error unanswered_error(const grpc::Status& status, const Target& target, std::string_view what,
                       Clock::time_point deadline, bool changes);
/// For any status but OK: what the other end said, or that nobody answered.
Error call_error(const grpc::Status& status, const Target& target, Method method, Clock::time_point deadline);
/// To who reads, writes and replicates, a node that takes him for a stranger is one that cannot be reached.
Error as_unreachable(Error error, const Target& target);
Result<void> as_unreachable(Result<void> result, const Target& target);
/// Whether the other end forgot the session that the call was proven in.
bool is_session_lost(const grpc::Status& status);

/// kPayloadTooLarge for a request that the other end would not take.
Result<void> check_size(const ClientCore& core, const Target& target, Method method,
                        const google::protobuf::Message& request);

/// Gives `context` the header, the proof of the secret if there is a session, and the deadline.
void prepare(grpc::ClientContext& context, ClientCore& core, const Target& target, Method method,
             const std::shared_ptr<CallProver>& session, Clock::time_point deadline);

/// Makes a blocking call: proves the secret, keeps the deadline, tries again what may be repeated, and counts.
/// @param once makes one attempt.
Result<void> run_call(ClientCore& core, Link& link, const Target& target, Method method,
                      const google::protobuf::Message& request, Clock::time_point deadline,
                      const std::function<grpc::Status(grpc::ClientContext*)>& once);

/// run_call of one method of the stub of a line.
template <typename Service, typename Function, typename Request, typename Reply>
Result<void> call(ClientCore& core, Line<Service>& line, Method method, Function function, const Request& request,
                  Reply& reply, Clock::time_point deadline) {
  return run_call(core, line.link, line.target, method, request, deadline,
                  [&](grpc::ClientContext* context) { return (line.stub.get()->*function)(context, request, &reply); });
}

}  // namespace vectorizer::rpc
