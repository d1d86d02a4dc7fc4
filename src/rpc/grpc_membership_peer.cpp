#include "grpc_membership_peer.hpp"

#include "call.hpp"
#include "error_codec.hpp"
#include "membership_codec.hpp"

namespace vectorizer::rpc {
namespace {

using Stub = wire::MembershipService::Stub;

}  // namespace

template <typename Function, typename Request, typename Reply>
Result<void> GrpcMembershipPeer::ask(Method method, Function function, const Request& request, Reply& reply) {
  const Target target = rules(method).open_to_strangers ? line_.target : known_();
  RETURN_IF_ERROR(
      run_call(core_, line_.link, target, method, request, Clock::now() + core_.options.timeout,
               [&](grpc::ClientContext* context) { return (line_.stub.get()->*function)(context, request, &reply); }));
  if (reply.has_error()) return decode_error(reply.error());
  return {};
}

Result<peer::Hello> GrpcMembershipPeer::hello(const peer::Hello& self) {
  wire::HelloMessage request;
  encode_hello(self, request);
  wire::HelloReply reply;
  RETURN_IF_ERROR(ask(Method::kHello, &Stub::Hello, request, reply));
  return decode_hello(reply.hello());
}

Result<peer::Remembered> GrpcMembershipPeer::remembered(const peer::Positions& told) {
  wire::RememberedRequest request;
  encode_positions(told, request);
  wire::RememberedReply reply;
  RETURN_IF_ERROR(ask(Method::kRemembered, &Stub::Remembered, request, reply));
  return decode_remembered(reply, told.raft_id);
}

Result<void> GrpcMembershipPeer::claim(const peer::ClaimRequest& claim) {
  wire::ClaimRequest request;
  encode_claim(claim, request);
  wire::Done reply;
  return ask(Method::kClaim, &Stub::Claim, request, reply);
}

Result<void> GrpcMembershipPeer::join(const peer::Hello& newcomer) {
  wire::HelloMessage request;
  encode_hello(newcomer, request);
  wire::Done reply;
  return ask(Method::kJoin, &Stub::Join, request, reply);
}

Result<void> GrpcMembershipPeer::you_are_removed(const std::string& cluster_id) {
  wire::RemovedNotice request;
  request.set_cluster_id(cluster_id);
  wire::Done reply;
  return ask(Method::kYouAreRemoved, &Stub::YouAreRemoved, request, reply);
}

Result<peer::BeatReply> GrpcMembershipPeer::beat(const peer::Beat& beat) {
  wire::Beat request;
  encode_beat(beat, request);
  wire::BeatReply reply;
  RETURN_IF_ERROR(ask(Method::kBeat, &Stub::SendBeat, request, reply));
  return decode_beat_reply(reply);
}

Result<std::uint64_t> GrpcMembershipPeer::propose(const std::string& command) {
  wire::ProposeRequest request;
  request.set_command(command);
  wire::EpochReply reply;
  RETURN_IF_ERROR(ask(Method::kPropose, &Stub::Propose, request, reply));
  return std::uint64_t{reply.epoch()};
}

Result<std::uint64_t> GrpcMembershipPeer::barrier() {
  wire::EpochReply reply;
  RETURN_IF_ERROR(ask(Method::kBarrier, &Stub::Barrier, wire::BarrierRequest(), reply));
  return std::uint64_t{reply.epoch()};
}

}  // namespace vectorizer::rpc
