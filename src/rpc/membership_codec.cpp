#include "membership_codec.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

namespace vectorizer::rpc {
namespace {

using State = peer::IdentityState;

/// A year: what is beyond is nonsense that must not overflow a time.
constexpr std::uint64_t kMaxSilenceMs = 365ULL * 24 * 3600 * 1000;
/// Names of nodes and hosts have 255 at most, an endpoint has a port as well.
constexpr std::size_t kMaxNameBytes = 300;

/// Visible ASCII, as every name, endpoint, uuid and version is; may be empty.
bool is_name(std::string_view text) {
  return text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

wire::HelloMessage::State encode_state(State state) {
  switch (state) {
    case State::kVirgin:
      return wire::HelloMessage::STATE_VIRGIN;
    case State::kClaimed:
      return wire::HelloMessage::STATE_CLAIMED;
    case State::kJoining:
      return wire::HelloMessage::STATE_JOINING;
    case State::kMember:
      return wire::HelloMessage::STATE_MEMBER;
    case State::kRemoved:
      return wire::HelloMessage::STATE_REMOVED;
  }
  return wire::HelloMessage::STATE_UNSPECIFIED;
}

std::optional<State> decode_state(wire::HelloMessage::State state) {
  switch (state) {
    case wire::HelloMessage::STATE_VIRGIN:
      return State::kVirgin;
    case wire::HelloMessage::STATE_CLAIMED:
      return State::kClaimed;
    case wire::HelloMessage::STATE_JOINING:
      return State::kJoining;
    case wire::HelloMessage::STATE_MEMBER:
      return State::kMember;
    case wire::HelloMessage::STATE_REMOVED:
      return State::kRemoved;
    default:
      return std::nullopt;
  }
}

void encode_copy(const peer::CopyStatus& copy, wire::CopyStatus& to) {
  to.set_shard(copy.shard.value());
  to.set_copy(copy.copy);
  to.set_term(copy.term);
  to.set_last_sequence(copy.last.sequence);
  to.set_last_term(copy.last.term);
  to.set_applied(copy.applied);
  to.set_failed(copy.failed);
  to.set_serving(copy.serving);
  to.set_leading(copy.leading);
}

peer::CopyStatus decode_copy(const wire::CopyStatus& copy) {
  peer::CopyStatus to;
  to.shard = ShardId(copy.shard());
  to.copy = copy.copy();
  to.term = copy.term();
  to.last = {copy.last_sequence(), copy.last_term()};
  to.applied = copy.applied();
  to.failed = copy.failed();
  to.serving = copy.serving();
  to.leading = copy.leading();
  return to;
}

}  // namespace

void encode_hello(const peer::Hello& hello, wire::HelloMessage& out) {
  out.set_node(hello.node.value());
  out.set_uuid(hello.uuid);
  out.set_raft_id(hello.raft_id);
  out.set_endpoint(hello.endpoint);
  out.set_cluster_id(hello.cluster_id);
  out.set_state(encode_state(hello.state));
  out.set_claimed_by(hello.claimed_by);
  out.set_claimed_by_endpoint(hello.claimed_by_endpoint);
  out.set_has_data(hello.has_data);
  out.set_servers_hash(hello.servers_hash);
  out.set_expected_nodes(hello.expected_nodes);
  out.set_boot_epoch(hello.boot_epoch);
  out.set_boot_nonce(hello.boot_nonce);
  out.set_previous_nonce(hello.previous_nonce);
  out.set_rest_port(hello.rest_port);
  out.set_version(hello.version);
  out.set_protocol(hello.protocol);
  out.set_leader_endpoint(hello.leader_endpoint);
  out.set_uptime_seconds(hello.uptime_seconds);
  out.set_metadata_epoch(hello.metadata_epoch);
  out.set_metadata_digest(hello.metadata_digest);
  out.set_invites(hello.invites);
  if (!hello.restored) return;
  wire::RestoredData& restored = *out.mutable_restored();
  restored.set_from_cluster(hello.restored->from_cluster);
  restored.set_raft_term(hello.restored->raft_term);
  restored.set_raft_index(hello.restored->raft_index);
  restored.set_metadata_epoch(hello.restored->metadata_epoch);
  for (const auto& copy : hello.restored->copies) encode_copy(copy, *restored.add_copies());
}

Result<peer::Hello> decode_hello(const wire::HelloMessage& in) {
  const auto state = decode_state(in.state());
  if (!state) return Error{ErrorType::kInternal, "a hello with a state of no known kind: another version?"};
  if (in.rest_port() > UINT16_MAX) return Error{ErrorType::kInternal, "a hello with a port that cannot be"};
  for (const auto* name : {&in.node(), &in.uuid(), &in.endpoint(), &in.cluster_id(), &in.claimed_by(),
                           &in.claimed_by_endpoint(), &in.version(), &in.leader_endpoint(), &in.metadata_digest(),
                           &in.restored().from_cluster()}) {
    if (!is_name(*name)) return Error{ErrorType::kInternal, "a hello with a name that cannot be"};
  }
  peer::Hello out;
  out.node = NodeId(in.node());
  out.uuid = in.uuid();
  out.raft_id = in.raft_id();
  out.endpoint = in.endpoint();
  out.cluster_id = in.cluster_id();
  out.state = *state;
  out.claimed_by = in.claimed_by();
  out.claimed_by_endpoint = in.claimed_by_endpoint();
  out.has_data = in.has_data();
  out.servers_hash = in.servers_hash();
  out.expected_nodes = in.expected_nodes();
  out.boot_epoch = in.boot_epoch();
  out.boot_nonce = in.boot_nonce();
  out.previous_nonce = in.previous_nonce();
  out.rest_port = static_cast<std::uint16_t>(in.rest_port());
  out.version = in.version();
  out.protocol = std::max(1U, in.protocol());
  out.leader_endpoint = in.leader_endpoint();
  out.uptime_seconds = in.uptime_seconds();
  out.metadata_epoch = in.metadata_epoch();
  out.metadata_digest = in.metadata_digest();
  out.invites = in.invites();
  if (!in.has_restored()) return out;
  const auto& restored = in.restored();
  out.restored = peer::RestoredData{
      restored.from_cluster(), restored.raft_term(), restored.raft_index(), restored.metadata_epoch(), {}};
  for (const auto& copy : restored.copies()) out.restored->copies.push_back(decode_copy(copy));
  return out;
}

void encode_claim(const peer::ClaimRequest& claim, wire::ClaimRequest& out) {
  out.set_cluster_id(claim.cluster_id);
  out.set_servers_hash(claim.servers_hash);
  out.set_from_uuid(claim.from_uuid);
  out.set_from_endpoint(claim.from_endpoint);
  out.set_restores(claim.restores);
}

Result<peer::ClaimRequest> decode_claim(const wire::ClaimRequest& in) {
  for (const auto* name : {&in.cluster_id(), &in.from_uuid(), &in.from_endpoint(), &in.restores()}) {
    if (!is_name(*name)) return Error{ErrorType::kInternal, "a claim with a name that cannot be"};
  }
  return peer::ClaimRequest{in.cluster_id(), in.servers_hash(), in.from_uuid(), in.from_endpoint(), in.restores()};
}

namespace {

/// Both messages carry positions as members of their own.
template <typename Message>
void put_positions(const peer::Positions& positions, Message& out) {
  out.set_raft_term(positions.raft_term);
  out.set_raft_index(positions.raft_index);
  for (const auto& copy : positions.copies) {
    auto& to = *out.add_copies();
    to.set_copy(copy.copy);
    to.set_term(copy.term);
    to.set_sequence(copy.sequence);
  }
}
template <typename Message>
peer::Positions take_positions(const Message& in, std::uint64_t raft_id) {
  peer::Positions out{raft_id, in.raft_term(), in.raft_index(), {}};
  for (const auto& copy : in.copies()) out.copies.push_back({copy.copy(), copy.term(), copy.sequence()});
  return out;
}

}  // namespace

void encode_positions(const peer::Positions& told, wire::RememberedRequest& out) {
  out.set_raft_id(told.raft_id);
  put_positions(told, out);
}

peer::Positions decode_positions(const wire::RememberedRequest& in) {
  return take_positions(in, in.raft_id());
}

void encode_remembered(const peer::Remembered& remembered, wire::RememberedReply& out) {
  out.set_boot_nonce(remembered.boot_nonce);
  put_positions(remembered.positions, out);
}

peer::Remembered decode_remembered(const wire::RememberedReply& in, std::uint64_t raft_id) {
  return {in.boot_nonce(), take_positions(in, raft_id)};
}

void encode_beat(const peer::Beat& beat, wire::Beat& out) {
  out.set_node(beat.node.value());
  out.set_raft_id(beat.raft_id);
  out.set_boot_nonce(beat.boot_nonce);
  out.set_stalled(beat.stalled);
  for (const auto& copy : beat.copies) {
    encode_copy(copy, *out.add_copies());
  }
  for (const auto& node : beat.unreachable) out.add_unreachable(node.value());
  out.set_servers_hash(beat.servers_hash);
}

peer::Beat decode_beat(const wire::Beat& in) {
  peer::Beat out;
  out.node = NodeId(in.node());
  out.raft_id = in.raft_id();
  out.boot_nonce = in.boot_nonce();
  out.stalled = in.stalled();
  for (const auto& copy : in.copies()) {
    out.copies.push_back(decode_copy(copy));
  }
  for (const auto& node : in.unreachable()) out.unreachable.emplace_back(node);
  out.servers_hash = in.servers_hash();
  return out;
}

void encode_beat_reply(const peer::BeatReply& reply, wire::BeatReply& out) {
  out.set_lease(reply.lease);
  out.set_metadata_epoch(reply.metadata_epoch);
  out.set_refusal(reply.refusal);
  for (const auto& heard : reply.heard) {
    wire::HeardOf& to = *out.add_heard();
    to.set_node(heard.node.value());
    to.set_silence_ms(static_cast<std::uint64_t>(heard.silence.count()));
    to.set_servers_hash(heard.servers_hash);
  }
}

peer::BeatReply decode_beat_reply(const wire::BeatReply& in) {
  peer::BeatReply out;
  out.lease = in.lease();
  out.metadata_epoch = in.metadata_epoch();
  out.refusal = in.refusal();
  for (const auto& heard : in.heard()) {
    const auto silence = std::min<std::uint64_t>(heard.silence_ms(), kMaxSilenceMs);
    out.heard.push_back({NodeId(heard.node()), std::chrono::milliseconds(silence), heard.servers_hash()});
  }
  return out;
}

}  // namespace vectorizer::rpc
