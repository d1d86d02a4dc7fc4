#include "data_service.hpp"

#include <utility>

#include "data_codec.hpp"
#include "filter_codec.hpp"
#include "snapshot_codec.hpp"

namespace vectorizer::rpc {
namespace {

peer::Peer* data_of(const PeerHandlers& handlers) {
  return handlers.data;
}

grpc::Status unreadable(const Error& error) {
  return refusal(grpc::StatusCode::INVALID_ARGUMENT, error);
}

template <typename Request>
std::vector<ShardId> shards_of(const Request& in) {
  std::vector<ShardId> shards;
  for (const auto shard : in.shards()) shards.emplace_back(shard);
  return shards;
}

Result<std::optional<Filter>> optional_filter(bool present, const wire::Filter& in) {
  if (!present) return std::optional<Filter>();
  ASSIGN_OR_RETURN(Filter filter, decode_filter(in));
  return std::optional<Filter>(std::move(filter));
}

}  // namespace

/// A call that is answered as soon as `handle` returns; its Result<void> is about reading the request.
template <typename Request, typename Reply, typename Handle>
grpc::ServerUnaryReactor* DataServiceImpl::read(Method method, grpc::CallbackServerContext* context,
                                                const Request* request, Reply* reply, Handle handle) {
  return serve_unary(core_, method == Method::kWrite ? core_.writes : core_.reads, method, context, *request, data_of,
                     [request, reply, handle](peer::Peer& peer, const std::shared_ptr<ServedCall>& call) {
                       const Result<void> understood = handle(peer, *request, *reply);
                       if (!understood) return call->finish(unreadable(understood.error()));
                       call->answer(*reply);
                     });
}

grpc::ServerUnaryReactor* DataServiceImpl::Write(grpc::CallbackServerContext* context,
                                                 const wire::WriteRequest* request, wire::WriteReply* reply) {
  return read(Method::kWrite, context, request, reply,
              [](peer::Peer& peer, const wire::WriteRequest& in, wire::WriteReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(ReceivedWrite received, decode_write(in));
                for (const auto& each : peer.write(std::move(received.writes))) {
                  encode_write_reply(each, *out.add_replies());
                }
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Search(grpc::CallbackServerContext* context,
                                                  const wire::SearchRequest* request, wire::SearchReply* reply) {
  return read(Method::kSearch, context, request, reply,
              [](peer::Peer& peer, const wire::SearchRequest& in, wire::SearchReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(const SearchQuery query, decode_query(in));
                for (const auto& each : peer.search(shards_of(in), query)) encode_hits(each, *out.add_replies());
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Get(grpc::CallbackServerContext* context, const wire::GetRequest* request,
                                               wire::GetReply* reply) {
  return read(Method::kGet, context, request, reply,
              [](peer::Peer& peer, const wire::GetRequest& in, wire::GetReply& out) -> Result<void> {
                std::vector<peer::ShardIds> wanted;
                for (const auto& of_shard : in.wanted()) {
                  auto& to = wanted.emplace_back(peer::ShardIds{ShardId(of_shard.shard()), {}});
                  for (const auto& id : of_shard.ids()) to.ids.push_back(decode_id(id));
                }
                const auto replies = peer.get(wanted, decode_projection(in.projection()), decode_from(in.from()));
                for (const auto& each : replies) encode_points(each, *out.add_replies());
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Scroll(grpc::CallbackServerContext* context,
                                                  const wire::ScrollRequest* request, wire::ScrollReply* reply) {
  return read(Method::kScroll, context, request, reply,
              [](peer::Peer& peer, const wire::ScrollRequest& in, wire::ScrollReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(const ScrollQuery query, decode_scroll(in));
                for (const auto& each : peer.scroll(shards_of(in), query, decode_from(in.from()))) {
                  encode_page(each, *out.add_replies());
                }
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Count(grpc::CallbackServerContext* context,
                                                 const wire::CountRequest* request, wire::CountReply* reply) {
  return read(Method::kCount, context, request, reply,
              [](peer::Peer& peer, const wire::CountRequest& in, wire::CountReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(const auto filter, optional_filter(in.has_filter(), in.filter()));
                for (const auto& each : peer.count(shards_of(in), filter, decode_from(in.from()))) {
                  encode_count(each, *out.add_replies());
                }
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Matching(grpc::CallbackServerContext* context,
                                                    const wire::MatchingRequest* request, wire::MatchingReply* reply) {
  return read(Method::kMatching, context, request, reply,
              [](peer::Peer& peer, const wire::MatchingRequest& in, wire::MatchingReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(const Filter filter, decode_filter(in.filter()));
                std::optional<PointId> after;
                if (in.has_after()) after = decode_id(in.after());
                encode_result(peer.matching(ShardId(in.shard()), filter, after, in.limit()), out,
                              [&out](const std::vector<PointId>& ids) {
                                for (const auto& id : ids) encode_id(id, *out.add_ids());
                              });
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Report(grpc::CallbackServerContext* context,
                                                  const wire::ReportRequest* request, wire::ReportReply* reply) {
  return read(Method::kReport, context, request, reply,
              [](peer::Peer& peer, const wire::ReportRequest& in, wire::ReportReply& out) -> Result<void> {
                encode_result(peer.report(shards_of(in)), out, [&out](const std::vector<peer::ShardReport>& reports) {
                  for (const auto& report : reports) encode_report(report, *out.add_reports());
                });
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Digest(grpc::CallbackServerContext* context,
                                                  const wire::DigestRequest* request, wire::DigestReply* reply) {
  return read(Method::kDigest, context, request, reply,
              [](peer::Peer& peer, const wire::DigestRequest& in, wire::DigestReply& out) -> Result<void> {
                if (in.has_slice()) {
                  encode_result(peer.slice(ShardId(in.shard()), decode_slice_order(in.slice())), out,
                                [&out](const peer::CopySlice& slice) { encode_slice(slice, out); });
                } else {
                  encode_result(peer.digest(ShardId(in.shard())), out,
                                [&out](const peer::ShardDigest& digest) { encode_digest(digest, out); });
                }
                return {};
              });
}

grpc::ServerUnaryReactor* DataServiceImpl::Snapshot(grpc::CallbackServerContext* context,
                                                    const wire::SnapshotRequest* request, wire::SnapshotReply* reply) {
  return read(Method::kSnapshot, context, request, reply,
              [](peer::Peer& peer, const wire::SnapshotRequest& in, wire::SnapshotReply& out) -> Result<void> {
                ASSIGN_OR_RETURN(const auto order, decode_snapshot_order(in));
                encode_result(peer.snapshot(order), out, [&out](const std::vector<peer::SnapshotInfo>& snapshots) {
                  for (const auto& snapshot : snapshots) encode_snapshot(snapshot, *out.add_snapshots());
                });
                return {};
              });
}

}  // namespace vectorizer::rpc
