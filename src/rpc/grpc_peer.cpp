#include "grpc_peer.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "call.hpp"
#include "data_codec.hpp"
#include "error_codec.hpp"
#include "filter_codec.hpp"
#include "snapshot_codec.hpp"

namespace vectorizer::rpc {
namespace {

using Stub = wire::DataService::Stub;

/// A snapshot begins with what is in memory going to the disk.
constexpr std::chrono::seconds kSnapshotTime{60};

/// The replies in the order of `shards`; one that is missing is an error in its place.
template <typename Reply>
std::vector<Reply> in_order(const std::vector<ShardId>& shards, std::vector<Reply> replies, const Error& missing) {
  std::map<ShardId, std::size_t> places;
  for (std::size_t i = 0; i < replies.size(); ++i) places.emplace(replies[i].shard, i);
  std::vector<Reply> out;
  out.reserve(shards.size());
  for (const auto& shard : shards) {
    const auto place = places.find(shard);
    if (place == places.end()) {
      out.push_back({shard, missing});
    } else {
      out.push_back(std::move(replies[place->second]));
      places.erase(place);
    }
  }
  return out;
}

template <typename Reply>
std::vector<Reply> for_all(const std::vector<ShardId>& shards, const Error& error) {
  std::vector<Reply> out;
  for (const auto& shard : shards) out.push_back({shard, error});
  return out;
}

}  // namespace

template <typename Function, typename Request, typename Reply>
Result<void> GrpcPeer::ask(Method method, Function function, const Request& request, Reply& reply,
                           Clock::time_point deadline) {
  const auto line = line_.get();
  if (!line) return unreachable_error({node_, {}, 0}, "its address is not known");
  return as_unreachable(call(core_, *line, method, function, request, reply, deadline), line->target);
}

/// A read of several shards in one call.
template <typename Answer, typename Function, typename Request, typename Reply, typename Decode>
std::vector<peer::ShardReply<Answer>> GrpcPeer::read(Method method, Function function,
                                                     const std::vector<ShardId>& shards, Request& request, Reply reply,
                                                     const ReadFrom& from, const Decode& decode) {
  using Each = peer::ShardReply<Answer>;
  encode_from(from, *request.mutable_from());
  const auto until = std::min(deadline(), from.deadline.at());
  if (auto done = ask(method, function, request, reply, until); !done) return for_all<Each>(shards, done.error());
  std::vector<Each> replies;
  for (auto& each : *reply.mutable_replies()) replies.push_back(decode(each));
  return in_order(shards, std::move(replies), Error{ErrorType::kInternal, "a node did not answer for a shard"});
}

std::vector<peer::ShardWriteReply> GrpcPeer::write(std::vector<peer::ShardWrite> writes) {
  std::vector<ShardId> shards;
  for (const auto& write : writes) shards.push_back(write.shard);
  wire::WriteRequest request;
  encode_write(writes, request);
  wire::WriteReply reply;
  if (auto done = ask(Method::kWrite, &Stub::Write, request, reply, deadline()); !done) {
    return for_all<peer::ShardWriteReply>(shards, done.error());
  }
  std::vector<peer::ShardWriteReply> replies;
  for (const auto& each : reply.replies()) replies.push_back(decode_write_reply(each));
  return in_order(shards, std::move(replies),
                  Error{ErrorType::kInternal, "a node did not answer for a shard"}.with("outcome", "unknown"));
}

std::vector<peer::ShardSearchReply> GrpcPeer::search(std::span<const ShardId> shards, const SearchQuery& query) {
  const std::vector<ShardId> wanted(shards.begin(), shards.end());
  wire::SearchRequest request;
  for (const auto& shard : wanted) request.add_shards(shard.value());
  encode_query(query, request);
  wire::SearchReply reply;
  const auto until = std::min(deadline(), query.deadline.at());
  if (auto done = ask(Method::kSearch, &Stub::Search, request, reply, until); !done) {
    return for_all<peer::ShardSearchReply>(wanted, done.error());
  }
  std::vector<peer::ShardSearchReply> replies;
  for (auto& each : *reply.mutable_replies()) replies.push_back(decode_hits(each));
  return in_order(wanted, std::move(replies), Error{ErrorType::kInternal, "a node did not answer for a shard"});
}

std::vector<peer::ShardReply<peer::ShardPoints>> GrpcPeer::get(std::span<const peer::ShardIds> wanted,
                                                               const Projection& what, const ReadFrom& from) {
  std::vector<ShardId> shards;
  std::map<ShardId, std::size_t> asked;
  wire::GetRequest request;
  for (const auto& of_shard : wanted) {
    shards.push_back(of_shard.shard);
    asked[of_shard.shard] = of_shard.ids.size();
    auto& to = *request.add_wanted();
    to.set_shard(of_shard.shard.value());
    for (const auto& id : of_shard.ids) encode_id(id, *to.add_ids());
  }
  encode_projection(what, *request.mutable_projection());
  return read<peer::ShardPoints>(
      Method::kGet, &Stub::Get, shards, request, wire::GetReply(), from,
      [&asked](wire::ShardPoints& each) { return decode_points(each, asked[ShardId(each.shard())]); });
}

std::vector<peer::ShardReply<peer::ShardPage>> GrpcPeer::scroll(std::span<const ShardId> shards,
                                                                const ScrollQuery& query, const ReadFrom& from) {
  wire::ScrollRequest request;
  for (const auto& shard : shards) request.add_shards(shard.value());
  encode_scroll(query, request);
  return read<peer::ShardPage>(Method::kScroll, &Stub::Scroll, {shards.begin(), shards.end()}, request,
                               wire::ScrollReply(), from, decode_page);
}

std::vector<peer::ShardReply<std::uint64_t>> GrpcPeer::count(std::span<const ShardId> shards,
                                                             const std::optional<Filter>& filter,
                                                             const ReadFrom& from) {
  wire::CountRequest request;
  for (const auto& shard : shards) request.add_shards(shard.value());
  if (filter) encode_filter(*filter, *request.mutable_filter());
  return read<std::uint64_t>(Method::kCount, &Stub::Count, {shards.begin(), shards.end()}, request, wire::CountReply(),
                             from, decode_count);
}

Result<std::vector<PointId>> GrpcPeer::matching(const ShardId& shard, const Filter& filter,
                                                const std::optional<PointId>& after, std::size_t limit) {
  wire::MatchingRequest request;
  request.set_shard(shard.value());
  encode_filter(filter, *request.mutable_filter());
  if (after) encode_id(*after, *request.mutable_after());
  request.set_limit(limit);
  wire::MatchingReply reply;
  RETURN_IF_ERROR(ask(Method::kMatching, &Stub::Matching, request, reply, deadline()));
  if (reply.has_error()) return decode_error(reply.error());
  std::vector<PointId> out;
  out.reserve(static_cast<std::size_t>(reply.ids_size()));
  for (const auto& id : reply.ids()) out.push_back(decode_id(id));
  return out;
}

Result<std::vector<peer::ShardReport>> GrpcPeer::report(std::span<const ShardId> shards) {
  wire::ReportRequest request;
  for (const auto& shard : shards) request.add_shards(shard.value());
  wire::ReportReply reply;
  RETURN_IF_ERROR(ask(Method::kReport, &Stub::Report, request, reply, deadline()));
  if (reply.has_error()) return decode_error(reply.error());
  std::vector<peer::ShardReport> out;
  for (const auto& report : reply.reports()) out.push_back(decode_report(report));
  return out;
}

Result<peer::ShardDigest> GrpcPeer::digest(const ShardId& shard) {
  wire::DigestRequest request;
  request.set_shard(shard.value());
  wire::DigestReply reply;
  RETURN_IF_ERROR(ask(Method::kDigest, &Stub::Digest, request, reply, deadline()));
  if (reply.has_error()) return decode_error(reply.error());
  return decode_digest(reply);
}

Result<peer::CopySlice> GrpcPeer::slice(const ShardId& shard, const peer::SliceOrder& order) {
  wire::DigestRequest request;
  request.set_shard(shard.value());
  encode_slice_order(order, *request.mutable_slice());
  wire::DigestReply reply;
  RETURN_IF_ERROR(ask(Method::kDigest, &Stub::Digest, request, reply, deadline()));
  if (reply.has_error()) return decode_error(reply.error());
  if (reply.has_slice()) return decode_slice(reply);
  return Error{ErrorType::kShardUnavailable, "the node is of a version that does not compare parts of copies"};
}

Result<std::vector<peer::SnapshotInfo>> GrpcPeer::snapshot(const peer::SnapshotOrder& order) {
  wire::SnapshotRequest request;
  encode_snapshot_order(order, request);
  wire::SnapshotReply reply;
  const auto until = order.kind == peer::SnapshotOrder::Kind::kList ? deadline() : Clock::now() + kSnapshotTime;
  RETURN_IF_ERROR(ask(Method::kSnapshot, &Stub::Snapshot, request, reply, until));
  if (reply.has_error()) return decode_error(reply.error());
  std::vector<peer::SnapshotInfo> out;
  for (const auto& snapshot : reply.snapshots()) {
    ASSIGN_OR_RETURN(out.emplace_back(), decode_snapshot(snapshot));
  }
  return out;
}

}  // namespace vectorizer::rpc
