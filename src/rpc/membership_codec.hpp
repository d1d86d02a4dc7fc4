#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/rpc/v1/membership.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

void encode_hello(const peer::Hello& hello, wire::HelloMessage& out);
/// Refuses a state or a port that does not exist, and names that no node has: they are written to disk, as JSON.
Result<peer::Hello> decode_hello(const wire::HelloMessage& in);

void encode_claim(const peer::ClaimRequest& claim, wire::ClaimRequest& out);
/// Refuses names that no node has, as decode_hello does.
Result<peer::ClaimRequest> decode_claim(const wire::ClaimRequest& in);

void encode_positions(const peer::Positions& told, wire::RememberedRequest& out);
peer::Positions decode_positions(const wire::RememberedRequest& in);
void encode_remembered(const peer::Remembered& remembered, wire::RememberedReply& out);
/// @param raft_id of whom it was asked
peer::Remembered decode_remembered(const wire::RememberedReply& in, std::uint64_t raft_id);

void encode_beat(const peer::Beat& beat, wire::Beat& out);
peer::Beat decode_beat(const wire::Beat& in);
void encode_beat_reply(const peer::BeatReply& reply, wire::BeatReply& out);
peer::BeatReply decode_beat_reply(const wire::BeatReply& in);

}  // namespace vectorizer::rpc
