#include "link.hpp"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "call.hpp"
#include "error_codec.hpp"
#include "grpc_log.hpp"
#include "vectorizer/rpc/v1/auth.grpc.pb.h"

namespace vectorizer::rpc {
namespace {

int milliseconds(std::chrono::milliseconds duration) {
  return static_cast<int>(std::clamp<std::int64_t>(duration.count(), 1, INT32_MAX));
}

grpc::ChannelArguments arguments(const GrpcPeersOptions& options) {
  grpc::ChannelArguments out;
  // A connection of its own: otherwise gRPC shares one among all channels to an address, and one wait after a failure.
  out.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The server must allow pings this often, else it ends the connection as abused ("too_many_pings").
  out.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive));
  out.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(options.keepalive));
  out.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  out.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  out.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(options.connect_timeout));  // also bounds one attempt
  out.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(options.max_backoff));
  // A broken connection has the name looked up again; gRPC's own bound is 30 s between two look-ups.
  out.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  out.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  out.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // http_proxy in the environment is not meant for nodes
  out.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);     // only this module knows what may be repeated
  out.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  out.SetMaxSendMessageSize(-1);  // checked before, with an error that names the call
  return out;
}

std::shared_ptr<grpc::Channel> make_channel(const GrpcPeersOptions& options, const std::string& endpoint) {
  send_grpc_log_to_ours();
  return grpc::CreateCustomChannel("dns:///" + endpoint, grpc::InsecureChannelCredentials(), arguments(options));
}

}  // namespace

Link::Link(const GrpcPeersOptions& options, std::string endpoint)
    : endpoint_(std::move(endpoint)), secret_(!options.secret.empty()), channel_(make_channel(options, endpoint_)) {}

bool Link::wait_until_connected(Clock::time_point deadline) const {
  auto state = channel_->GetState(true);
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
    const auto until = std::chrono::system_clock::now() + (deadline - Clock::now());
    if (!channel_->WaitForStateChange(state,
                                      std::chrono::time_point_cast<std::chrono::system_clock::duration>(until))) {
      return false;
    }
    state = channel_->GetState(true);
  }
  return true;
}

bool Link::session_ready() const {
  const std::lock_guard lock(mutex_);
  return !secret_ || session_ != nullptr;
}

Result<std::shared_ptr<CallProver>> Link::session(ClientCore& core, const Target& target, Clock::time_point deadline) {
  if (!secret_) return std::shared_ptr<CallProver>();
  const auto current = [this] {
    const std::lock_guard lock(mutex_);
    return session_;
  };
  if (auto session = current()) return session;
  const std::lock_guard opening(opening_);
  if (auto session = current()) return session;

  const auto nonce = random_bytes(kNonceBytes);
  if (!nonce) return Error{ErrorType::kInternal, "the system has no random numbers"};
  wire::OpenRequest request;
  request.set_client_nonce(*nonce);
  wire::OpenReply reply;
  grpc::ClientContext context;
  set_deadline(context, deadline);
  if (!core.calls.add(context)) return stopped_error(target);
  const auto stub = wire::AuthService::NewStub(channel_);
  const grpc::Status status = stub->Open(&context, request, &reply);
  core.calls.remove(context);
  if (!status.ok()) {
    if (auto refused = refusal_of(status)) return *std::move(refused);
    return unanswered_error(status, target, "open a session", deadline, false);
  }
  const auto expected = server_proof(core.options.secret, *nonce, reply.server_nonce(), reply.session());
  if (reply.server_nonce().size() != kNonceBytes || !equal_in_constant_time(reply.proof(), expected)) {
    return Error{ErrorType::kUnauthorized,
                 fmt::format("node '{}' ({}) does not know cluster.secret of this node", target.name(), endpoint_)}
        .with("node", target.name());
  }
  auto session =
      std::make_shared<CallProver>(reply.session(), session_key(core.options.secret, *nonce, reply.server_nonce()));
  const std::lock_guard lock(mutex_);
  session_ = session;
  return session;
}

void Link::forget_session(const std::shared_ptr<CallProver>& session) {
  const std::lock_guard lock(mutex_);
  if (session_ == session) session_.reset();
}

void set_deadline(grpc::ClientContext& context, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()).count();
  context.set_deadline(gpr_time_from_micros(std::max<std::int64_t>(left, 0), GPR_TIMESPAN));
}

}  // namespace vectorizer::rpc
