#include "data_codec.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include "error_codec.hpp"
#include "filter_codec.hpp"

namespace vectorizer::rpc {
namespace {

using Clock = Deadline::Clock;

Error damaged(const std::string& what) {
  return {ErrorType::kInternal, "a message from another node cannot be read: " + what};
}

/// For the messages that carry an id as members of their own, without a message around it.
template <typename Message>
void set_id(const PointId& id, Message& out) {
  if (id.is_integer()) {
    out.set_number(id.number());
  } else {
    out.set_text(id.text());
  }
}
template <typename Message>
PointId get_id(const Message& in) {
  return in.has_text() ? PointId(in.text()) : PointId(in.number());
}

template <typename Message>
void set_vector(const std::vector<float>& vector, Message& out) {
  out.mutable_vector()->Add(vector.begin(), vector.end());
}
template <typename Message>
std::vector<float> get_vector(const Message& in) {
  return {in.vector().begin(), in.vector().end()};
}

wire::WriteOp::Kind encode_kind(WriteOp::Kind kind) {
  switch (kind) {
    case WriteOp::Kind::kUpsert:
      return wire::WriteOp::KIND_UPSERT;
    case WriteOp::Kind::kPatch:
      return wire::WriteOp::KIND_PATCH;
    case WriteOp::Kind::kDelete:
      return wire::WriteOp::KIND_DELETE;
    case WriteOp::Kind::kPayload:
      return wire::WriteOp::KIND_PAYLOAD;
  }
  return wire::WriteOp::KIND_UNSPECIFIED;
}

std::optional<WriteOp::Kind> decode_kind(wire::WriteOp::Kind kind) {
  switch (kind) {
    case wire::WriteOp::KIND_UPSERT:
      return WriteOp::Kind::kUpsert;
    case wire::WriteOp::KIND_PATCH:
      return WriteOp::Kind::kPatch;
    case wire::WriteOp::KIND_DELETE:
      return WriteOp::Kind::kDelete;
    case wire::WriteOp::KIND_PAYLOAD:
      return WriteOp::Kind::kPayload;
    default:
      return std::nullopt;
  }
}

wire::WriteOp::PayloadMode encode_mode(PayloadMode mode) {
  switch (mode) {
    case PayloadMode::kMerge:
      return wire::WriteOp::PAYLOAD_MODE_MERGE;
    case PayloadMode::kSet:
      return wire::WriteOp::PAYLOAD_MODE_SET;
    case PayloadMode::kReplace:
      return wire::WriteOp::PAYLOAD_MODE_REPLACE;
    case PayloadMode::kDeleteKeys:
      return wire::WriteOp::PAYLOAD_MODE_DELETE_KEYS;
    case PayloadMode::kClear:
      return wire::WriteOp::PAYLOAD_MODE_CLEAR;
  }
  return wire::WriteOp::PAYLOAD_MODE_UNSPECIFIED;
}

std::optional<PayloadMode> decode_mode(wire::WriteOp::PayloadMode mode) {
  switch (mode) {
    case wire::WriteOp::PAYLOAD_MODE_MERGE:
      return PayloadMode::kMerge;
    case wire::WriteOp::PAYLOAD_MODE_SET:
      return PayloadMode::kSet;
    case wire::WriteOp::PAYLOAD_MODE_REPLACE:
      return PayloadMode::kReplace;
    case wire::WriteOp::PAYLOAD_MODE_DELETE_KEYS:
      return PayloadMode::kDeleteKeys;
    case wire::WriteOp::PAYLOAD_MODE_CLEAR:
      return PayloadMode::kClear;
    default:
      return std::nullopt;
  }
}

Result<WriteOp> decode_op(const wire::WriteOp& in, const std::vector<std::unique_ptr<const Filter>>& conditions) {
  WriteOp out;
  const auto kind = decode_kind(in.kind());
  const auto mode = decode_mode(in.mode());
  if (!kind || !mode) return damaged("an operation of no known kind");
  if (in.condition() > conditions.size()) return damaged("an operation names a filter that is not there");
  out.kind = *kind;
  out.mode = *mode;
  out.id = get_id(in);
  out.vector = get_vector(in);
  out.payload = in.payload();
  out.keys.assign(in.keys().begin(), in.keys().end());
  if (in.condition() > 0) out.only_if = conditions[in.condition() - 1].get();
  return out;
}

}  // namespace

void encode_write(const std::vector<peer::ShardWrite>& writes, wire::WriteRequest& out) {
  std::unordered_map<const Filter*, std::uint32_t> places;
  for (const auto& write : writes) {
    wire::ShardWrite& shard = *out.add_writes();
    shard.set_shard(write.shard.value());
    shard.set_term(write.term);
    if (write.stamp) {
      wire::RequestStamp& stamp = *shard.mutable_stamp();
      stamp.set_high(write.stamp->id.high);
      stamp.set_low(write.stamp->id.low);
      stamp.set_body(write.stamp->body);
    }
    shard.mutable_ops()->Reserve(static_cast<int>(write.ops.size()));
    for (const auto& op : write.ops) {
      wire::WriteOp& to = *shard.add_ops();
      set_id(op.id, to);
      to.set_kind(encode_kind(op.kind));
      set_vector(op.vector, to);
      to.set_payload(op.payload);
      to.set_mode(encode_mode(op.mode));
      for (const auto& key : op.keys) to.add_keys(key);
      if (op.only_if == nullptr) continue;
      const auto [place, added] = places.emplace(op.only_if, static_cast<std::uint32_t>(places.size() + 1));
      if (added) encode_filter(*op.only_if, *out.add_conditions());
      to.set_condition(place->second);
    }
  }
}

Result<ReceivedWrite> decode_write(const wire::WriteRequest& in) {
  ReceivedWrite out;
  for (const auto& condition : in.conditions()) {
    ASSIGN_OR_RETURN(Filter filter, decode_filter(condition));
    out.conditions.push_back(std::make_unique<const Filter>(std::move(filter)));
  }
  for (const auto& shard : in.writes()) {
    peer::ShardWrite& to = out.writes.emplace_back();
    to.shard = ShardId(shard.shard());
    to.term = shard.term();
    if (shard.has_stamp()) {
      to.stamp = RequestStamp{{shard.stamp().high(), shard.stamp().low()}, shard.stamp().body()};
    }
    to.ops.reserve(static_cast<std::size_t>(shard.ops_size()));
    for (const auto& op : shard.ops()) {
      ASSIGN_OR_RETURN(WriteOp decoded, decode_op(op, out.conditions));
      to.ops.push_back(std::move(decoded));
    }
  }
  return out;
}

void encode_write_reply(const peer::ShardWriteReply& reply, wire::ShardWriteReply& out) {
  out.set_shard(reply.shard.value());
  if (!reply.outcomes) return encode_error(reply.outcomes.error(), *out.mutable_error());
  std::string& outcomes = *out.mutable_outcomes();
  outcomes.reserve(reply.outcomes->size());
  for (const auto outcome : *reply.outcomes) outcomes.push_back(static_cast<char>(outcome));
  out.set_sequence(reply.sequence);
}

peer::ShardWriteReply decode_write_reply(const wire::ShardWriteReply& in) {
  const ShardId shard(in.shard());
  if (in.has_error()) return {shard, decode_error(in.error())};
  std::vector<WriteOutcome> outcomes;
  outcomes.reserve(in.outcomes().size());
  for (const char byte : in.outcomes()) {
    if (byte != 0 && byte != 1) return {shard, damaged("an outcome of no known kind").with("outcome", "unknown")};
    outcomes.push_back(byte == 0 ? WriteOutcome::kApplied : WriteOutcome::kNotFound);
  }
  return {shard, std::move(outcomes), in.sequence()};
}

void encode_from(const ReadFrom& from, wire::ReadFrom& out) {
  out.set_primary(from.consistency == Consistency::kPrimary);
  for (const auto& [shard, position] : from.session) {
    wire::Position& to = *out.add_session();
    to.set_shard(shard.value());
    to.set_term(position.term);
    to.set_sequence(position.sequence);
  }
  if (from.deadline.at() == Clock::time_point::max()) return;
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(from.deadline.at() - Clock::now());
  out.set_remaining_us(static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 0)));
  out.set_deadline_timeout_ms(from.deadline.timeout_ms());
}

ReadFrom decode_from(const wire::ReadFrom& in) {
  ReadFrom out;
  out.consistency = in.primary() ? Consistency::kPrimary : Consistency::kAny;
  for (const auto& position : in.session()) {
    out.session[ShardId(position.shard())] = {.sequence = position.sequence(), .term = position.term()};
  }
  if (in.has_remaining_us()) {
    constexpr std::uint64_t kLongest = 3'600'000'000;  // no read is waited for longer, and the sum must not overflow
    const std::chrono::microseconds left(std::min(in.remaining_us(), kLongest));
    const std::chrono::milliseconds whole(in.deadline_timeout_ms());
    out.deadline = Deadline(Clock::now() + left - whole, in.deadline_timeout_ms());
  }
  return out;
}

void encode_query(const SearchQuery& query, wire::SearchRequest& out) {
  set_vector(query.vector, out);
  out.set_limit(query.limit);
  out.set_offset(query.offset);
  if (query.filter) encode_filter(*query.filter, *out.mutable_filter());
  encode_projection(query.projection, *out.mutable_projection());
  if (query.score_threshold) out.set_score_threshold(*query.score_threshold);
  if (query.ef) out.set_ef(*query.ef);
  out.set_exact(query.exact);
  if (query.rescore) out.set_rescore(*query.rescore);
  out.set_allow_partial(query.allow_partial);
  if (query.timeout_ms) out.set_timeout_ms(*query.timeout_ms);
  encode_from({query.consistency, query.session, query.deadline}, *out.mutable_from());
}

Result<SearchQuery> decode_query(const wire::SearchRequest& in) {
  SearchQuery out;
  out.vector = get_vector(in);
  out.limit = in.limit();
  out.offset = in.offset();
  if (in.has_filter()) {
    ASSIGN_OR_RETURN(out.filter, decode_filter(in.filter()));
  }
  out.projection = decode_projection(in.projection());
  if (in.has_score_threshold()) out.score_threshold = in.score_threshold();
  if (in.has_ef()) out.ef = in.ef();
  out.exact = in.exact();
  if (in.has_rescore()) out.rescore = in.rescore();
  out.allow_partial = in.allow_partial();
  if (in.has_timeout_ms()) out.timeout_ms = in.timeout_ms();
  auto from = decode_from(in.from());
  out.consistency = from.consistency;
  out.session = std::move(from.session);
  out.deadline = from.deadline;
  return out;
}

void encode_hits(const peer::ShardSearchReply& reply, wire::ShardHits& out) {
  out.set_shard(reply.shard.value());
  if (!reply.hits) return encode_error(reply.hits.error(), *out.mutable_error());
  out.mutable_hits()->Reserve(static_cast<int>(reply.hits->size()));
  for (const auto& hit : *reply.hits) {
    wire::Hit& to = *out.add_hits();
    set_id(hit.id, to);
    to.set_score(hit.score);
    to.set_payload(hit.payload);
    set_vector(hit.vector, to);
  }
}

peer::ShardSearchReply decode_hits(wire::ShardHits& in) {
  const ShardId shard(in.shard());
  if (in.has_error()) return {shard, decode_error(in.error())};
  std::vector<ScoredPoint> hits;
  hits.reserve(static_cast<std::size_t>(in.hits_size()));
  for (auto& hit : *in.mutable_hits()) {
    hits.push_back({get_id(hit), hit.score(), std::move(*hit.mutable_payload()), get_vector(hit)});
  }
  return {shard, std::move(hits)};
}

void encode_projection(const Projection& projection, wire::Projection& out) {
  out.set_with_payload(projection.with_payload);
  out.set_with_vector(projection.with_vector);
  for (const auto& key : projection.payload_keys) out.add_payload_keys(key);
  if (projection.max_bytes != Projection().max_bytes) out.set_max_bytes(projection.max_bytes);
}

Projection decode_projection(const wire::Projection& in) {
  Projection out;
  out.with_payload = in.with_payload();
  out.with_vector = in.with_vector();
  out.payload_keys.assign(in.payload_keys().begin(), in.payload_keys().end());
  if (in.has_max_bytes()) out.max_bytes = in.max_bytes();
  return out;
}

void encode_point(const Point& point, wire::Point& out) {
  set_id(point.id, out);
  set_vector(point.vector, out);
  out.set_payload(point.payload);
}

Point decode_point(wire::Point& in) {
  return {get_id(in), get_vector(in), std::move(*in.mutable_payload())};
}

void encode_scroll(const ScrollQuery& query, wire::ScrollRequest& out) {
  out.set_limit(query.limit);
  if (query.after) encode_id(*query.after, *out.mutable_after());
  if (query.filter) encode_filter(*query.filter, *out.mutable_filter());
  encode_projection(query.projection, *out.mutable_projection());
}

Result<ScrollQuery> decode_scroll(const wire::ScrollRequest& in) {
  ScrollQuery out;
  out.limit = in.limit();
  if (in.has_after()) out.after = decode_id(in.after());
  if (in.has_filter()) {
    ASSIGN_OR_RETURN(out.filter, decode_filter(in.filter()));
  }
  out.projection = decode_projection(in.projection());
  return out;
}

void encode_points(const peer::ShardReply<peer::ShardPoints>& reply, wire::ShardPoints& out) {
  out.set_shard(reply.shard.value());
  if (!reply.answer) return encode_error(reply.answer.error(), *out.mutable_error());
  const auto& points = *reply.answer;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i]) continue;
    auto& found = *out.add_found();
    found.set_at(static_cast<std::uint32_t>(i));
    encode_point(*points[i], *found.mutable_point());
  }
}

peer::ShardReply<peer::ShardPoints> decode_points(wire::ShardPoints& in, std::size_t wanted) {
  const ShardId shard(in.shard());
  if (in.has_error()) return {shard, decode_error(in.error())};
  peer::ShardPoints points(wanted);
  for (auto& found : *in.mutable_found()) {
    if (found.at() >= wanted) return {shard, damaged("a point that was not asked for")};
    points[found.at()] = decode_point(*found.mutable_point());
  }
  return {shard, std::move(points)};
}

void encode_page(const peer::ShardReply<peer::ShardPage>& reply, wire::ShardPage& out) {
  out.set_shard(reply.shard.value());
  if (!reply.answer) return encode_error(reply.answer.error(), *out.mutable_error());
  for (const auto& point : reply.answer->points) encode_point(point, *out.add_points());
  out.set_complete(reply.answer->complete);
}

peer::ShardReply<peer::ShardPage> decode_page(wire::ShardPage& in) {
  const ShardId shard(in.shard());
  if (in.has_error()) return {shard, decode_error(in.error())};
  peer::ShardPage page;
  page.points.reserve(static_cast<std::size_t>(in.points_size()));
  for (auto& point : *in.mutable_points()) page.points.push_back(decode_point(point));
  page.complete = in.complete();
  return {shard, std::move(page)};
}

void encode_count(const peer::ShardReply<std::uint64_t>& reply, wire::ShardCount& out) {
  out.set_shard(reply.shard.value());
  if (!reply.answer) return encode_error(reply.answer.error(), *out.mutable_error());
  out.set_count(*reply.answer);
}

peer::ShardReply<std::uint64_t> decode_count(const wire::ShardCount& in) {
  const ShardId shard(in.shard());
  if (in.has_error()) return {shard, decode_error(in.error())};
  return {shard, in.count()};
}

void encode_report(const peer::ShardReport& report, wire::ShardReport& out) {
  out.set_shard(report.shard.value());
  out.set_vectors(report.vectors);
  out.set_indexed(report.indexed);
  out.set_pending(report.pending);
  out.set_tombstones(report.tombstones);
  out.set_sequence(report.sequence);
  out.set_code_bytes(report.code_bytes);
  out.set_graph_bytes(report.graph_bytes);
  out.set_vector_bytes(report.vector_bytes);
  out.set_payload_bytes(report.payload_bytes);
  out.set_oldest_pending_seconds(report.oldest_pending_seconds);
  for (const auto& path : report.indexed_paths) out.add_indexed_paths(path);
  out.set_problem(report.problem);
  out.set_received_bytes(report.received_bytes);
  out.set_receiving_seconds(report.receiving_seconds);
  out.set_quarantined(report.quarantined);
  out.set_quarantined_node(report.quarantined_node.value());
  out.set_closed(!report.open);
}

peer::ShardReport decode_report(const wire::ShardReport& in) {
  peer::ShardReport out;
  out.shard = ShardId(in.shard());
  out.vectors = in.vectors();
  out.indexed = in.indexed();
  out.pending = in.pending();
  out.tombstones = in.tombstones();
  out.sequence = in.sequence();
  out.code_bytes = in.code_bytes();
  out.graph_bytes = in.graph_bytes();
  out.vector_bytes = in.vector_bytes();
  out.payload_bytes = in.payload_bytes();
  out.oldest_pending_seconds = in.oldest_pending_seconds();
  out.indexed_paths.assign(in.indexed_paths().begin(), in.indexed_paths().end());
  out.problem = in.problem();
  out.received_bytes = in.received_bytes();
  out.receiving_seconds = in.receiving_seconds();
  out.quarantined = in.quarantined();
  out.quarantined_node = NodeId(in.quarantined_node());
  out.open = !in.closed();
  return out;
}

void encode_slice_order(const peer::SliceOrder& order, wire::SliceOrder& out) {
  if (order.after) encode_id(*order.after, *out.mutable_after());
  if (order.until) encode_id(*order.until, *out.mutable_until());
  out.set_max_points(order.max_points);
  out.set_max_bytes(order.max_bytes);
  out.set_listed(order.listed);
}

peer::SliceOrder decode_slice_order(const wire::SliceOrder& in) {
  peer::SliceOrder out;
  if (in.has_after()) out.after = decode_id(in.after());
  if (in.has_until()) out.until = decode_id(in.until());
  out.max_points = in.max_points();
  out.max_bytes = in.max_bytes();
  out.listed = in.listed();
  return out;
}

void encode_digest(const peer::ShardDigest& digest, wire::DigestReply& out) {
  out.set_sequence(digest.sequence);
  out.set_points(digest.points);
  out.set_high(digest.high);
  out.set_low(digest.low);
}

peer::ShardDigest decode_digest(const wire::DigestReply& in) {
  return {in.sequence(), in.points(), in.high(), in.low()};
}

void encode_slice(const peer::CopySlice& slice, wire::DigestReply& out) {
  encode_digest(slice, out);
  auto& part = *out.mutable_slice();
  if (slice.last) encode_id(*slice.last, *part.mutable_last());
  part.set_complete(slice.complete);
  part.set_bytes(slice.bytes);
  for (const auto& point : slice.list) {
    auto& to = *part.add_list();
    encode_id(point.id, *to.mutable_id());
    to.set_sequence(point.sequence);
    to.set_hash(point.hash);
  }
}

peer::CopySlice decode_slice(const wire::DigestReply& in) {
  peer::CopySlice out;
  static_cast<peer::ShardDigest&>(out) = decode_digest(in);
  const auto& part = in.slice();
  if (part.has_last()) out.last = decode_id(part.last());
  out.complete = part.complete();
  out.bytes = part.bytes();
  for (const auto& point : part.list()) out.list.push_back({decode_id(point.id()), point.sequence(), point.hash()});
  return out;
}

}  // namespace vectorizer::rpc
