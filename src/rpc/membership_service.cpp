#include "membership_service.hpp"

#include "membership_codec.hpp"

namespace vectorizer::rpc {
namespace {

template <typename Reply>
void encode_done(const Result<void>& result, Reply& reply) {
  if (!result) encode_error(result.error(), *reply.mutable_error());
}

template <typename Reply>
void encode_epoch(Result<std::uint64_t> result, Reply& reply) {
  encode_result(std::move(result), reply, [&reply](std::uint64_t epoch) { reply.set_epoch(epoch); });
}

}  // namespace

template <typename Request, typename Reply, typename Handle>
grpc::ServerUnaryReactor* MembershipServiceImpl::serve(Lane& lane, Method method, grpc::CallbackServerContext* context,
                                                       const Request* request, Reply* reply, Handle handle) {
  return serve_unary(
      core_, lane, method, context, *request, [](const PeerHandlers& handlers) { return handlers.membership; },
      [request, reply, handle](peer::MembershipPeer& peer, const std::shared_ptr<ServedCall>& call) {
        handle(peer, *request, *reply);
        call->answer(*reply);
      });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Hello(grpc::CallbackServerContext* context,
                                                       const wire::HelloMessage* request, wire::HelloReply* reply) {
  return serve(core_.beats, Method::kHello, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::HelloMessage& in, wire::HelloReply& out) {
                 const auto caller = decode_hello(in);
                 if (!caller) return encode_error(caller.error(), *out.mutable_error());
                 encode_result(peer.hello(*caller), out,
                               [&out](const peer::Hello& hello) { encode_hello(hello, *out.mutable_hello()); });
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Remembered(grpc::CallbackServerContext* context,
                                                            const wire::RememberedRequest* request,
                                                            wire::RememberedReply* reply) {
  return serve(core_.beats, Method::kRemembered, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::RememberedRequest& in, wire::RememberedReply& out) {
                 encode_result(peer.remembered(decode_positions(in)), out,
                               [&out](const peer::Remembered& remembered) { encode_remembered(remembered, out); });
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Claim(grpc::CallbackServerContext* context,
                                                       const wire::ClaimRequest* request, wire::Done* reply) {
  return serve(core_.changes, Method::kClaim, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::ClaimRequest& in, wire::Done& out) {
                 const auto claim = decode_claim(in);
                 if (!claim) return encode_error(claim.error(), *out.mutable_error());
                 encode_done(peer.claim(*claim), out);
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Join(grpc::CallbackServerContext* context,
                                                      const wire::HelloMessage* request, wire::Done* reply) {
  return serve(core_.changes, Method::kJoin, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::HelloMessage& in, wire::Done& out) {
                 const auto newcomer = decode_hello(in);
                 if (!newcomer) return encode_error(newcomer.error(), *out.mutable_error());
                 encode_done(peer.join(*newcomer), out);
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::YouAreRemoved(grpc::CallbackServerContext* context,
                                                               const wire::RemovedNotice* request, wire::Done* reply) {
  return serve(core_.changes, Method::kYouAreRemoved, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::RemovedNotice& in, wire::Done& out) {
                 encode_done(peer.you_are_removed(in.cluster_id()), out);
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::SendBeat(grpc::CallbackServerContext* context,
                                                          const wire::Beat* request, wire::BeatReply* reply) {
  return serve(core_.beats, Method::kBeat, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::Beat& in, wire::BeatReply& out) {
                 encode_result(peer.beat(decode_beat(in)), out,
                               [&out](const peer::BeatReply& answer) { encode_beat_reply(answer, out); });
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Propose(grpc::CallbackServerContext* context,
                                                         const wire::ProposeRequest* request, wire::EpochReply* reply) {
  return serve(core_.changes, Method::kPropose, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::ProposeRequest& in, wire::EpochReply& out) {
                 encode_epoch(peer.propose(in.command()), out);
               });
}

grpc::ServerUnaryReactor* MembershipServiceImpl::Barrier(grpc::CallbackServerContext* context,
                                                         const wire::BarrierRequest* request, wire::EpochReply* reply) {
  return serve(core_.changes, Method::kBarrier, context, request, reply,
               [](peer::MembershipPeer& peer, const wire::BarrierRequest&, wire::EpochReply& out) {
                 encode_epoch(peer.barrier(), out);
               });
}

}  // namespace vectorizer::rpc
