#include "replication_codec.hpp"

#include <utility>

#include "error_codec.hpp"

namespace vectorizer::rpc {
namespace {

using Outcome = peer::ReplicateReply::Outcome;

void encode_position(const LogPosition& position, wire::LogPosition& out) {
  out.set_sequence(position.sequence);
  out.set_term(position.term);
}

LogPosition decode_position(const wire::LogPosition& in) {
  return {in.sequence(), in.term()};
}

wire::ReplicateReply::Outcome encode_outcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return wire::ReplicateReply::OUTCOME_ACCEPTED;
    case Outcome::kStaleTerm:
      return wire::ReplicateReply::OUTCOME_STALE_TERM;
    case Outcome::kMismatch:
      return wire::ReplicateReply::OUTCOME_MISMATCH;
    case Outcome::kDiverged:
      return wire::ReplicateReply::OUTCOME_DIVERGED;
    case Outcome::kNotHere:
      return wire::ReplicateReply::OUTCOME_NOT_HERE;
    case Outcome::kFetching:
      return wire::ReplicateReply::OUTCOME_FETCHING;
    case Outcome::kFailed:
      return wire::ReplicateReply::OUTCOME_FAILED;
  }
  return wire::ReplicateReply::OUTCOME_UNSPECIFIED;
}

std::optional<Outcome> decode_outcome(wire::ReplicateReply::Outcome outcome) {
  switch (outcome) {
    case wire::ReplicateReply::OUTCOME_ACCEPTED:
      return Outcome::kAccepted;
    case wire::ReplicateReply::OUTCOME_STALE_TERM:
      return Outcome::kStaleTerm;
    case wire::ReplicateReply::OUTCOME_MISMATCH:
      return Outcome::kMismatch;
    case wire::ReplicateReply::OUTCOME_DIVERGED:
      return Outcome::kDiverged;
    case wire::ReplicateReply::OUTCOME_NOT_HERE:
      return Outcome::kNotHere;
    case wire::ReplicateReply::OUTCOME_FETCHING:
      return Outcome::kFetching;
    case wire::ReplicateReply::OUTCOME_FAILED:
      return Outcome::kFailed;
    default:
      return std::nullopt;
  }
}

}  // namespace

void encode_replicate(peer::ReplicateRequest request, wire::ReplicateRequest& out) {
  out.set_shard(request.shard.value());
  out.set_copy(request.copy);
  out.set_term(request.term);
  out.set_primary(request.primary.value());
  encode_position(request.previous, *out.mutable_previous());
  out.set_commit(request.commit);
  for (auto& entry : request.entries) {
    wire::LogEntry& to = *out.add_entries();
    to.set_first(entry.first);
    to.set_last(entry.last);
    to.set_term(entry.term);
    to.set_bytes(std::move(entry.bytes));
  }
  out.set_fetch_checkpoint(request.fetch_checkpoint);
}

peer::ReplicateRequest decode_replicate(wire::ReplicateRequest& in) {
  peer::ReplicateRequest out;
  out.shard = ShardId(in.shard());
  out.copy = in.copy();
  out.term = in.term();
  out.primary = NodeId(in.primary());
  out.previous = decode_position(in.previous());
  out.commit = in.commit();
  out.entries.reserve(static_cast<std::size_t>(in.entries_size()));
  for (auto& entry : *in.mutable_entries()) {
    LogEntry& to = out.entries.emplace_back();
    to.first = entry.first();
    to.last = entry.last();
    to.term = entry.term();
    to.bytes = std::move(*entry.mutable_bytes());
  }
  out.fetch_checkpoint = in.fetch_checkpoint();
  return out;
}

void encode_replicate_reply(const peer::ReplicateReply& reply, wire::ReplicateReply& out) {
  out.set_outcome(encode_outcome(reply.outcome));
  out.set_term(reply.term);
  encode_position(reply.last, *out.mutable_last());
  out.set_applied(reply.applied);
  for (const auto& start : reply.terms) {
    wire::TermStart& to = *out.add_terms();
    to.set_term(start.term);
    to.set_first(start.first);
  }
}

Result<peer::ReplicateReply> decode_replicate_reply(const wire::ReplicateReply& in) {
  if (in.has_error()) return decode_error(in.error());
  const auto outcome = decode_outcome(in.outcome());
  if (!outcome) return Error{ErrorType::kInternal, "a copy answered with an outcome of no known kind"};
  peer::ReplicateReply out;
  out.outcome = *outcome;
  out.term = in.term();
  out.last = decode_position(in.last());
  out.applied = in.applied();
  for (const auto& start : in.terms()) out.terms.push_back({start.term(), start.first()});
  return out;
}

void encode_header(const peer::CheckpointHeader& header, wire::CheckpointHeader& out) {
  encode_position(header.at, *out.mutable_at());
  out.set_points(header.points);
  out.set_index_bytes(header.index_bytes);
}

peer::CheckpointHeader decode_header(const wire::CheckpointHeader& in) {
  peer::CheckpointHeader out;
  out.at = decode_position(in.at());
  out.points = in.points();
  out.index_bytes = in.index_bytes();
  return out;
}

}  // namespace vectorizer::rpc
