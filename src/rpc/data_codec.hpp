#pragma once

#include <memory>
#include <span>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/rpc/v1/data.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// A write as read from the wire, with the filters that its operations point to.
struct ReceivedWrite {
  std::vector<peer::ShardWrite> writes;
  std::vector<std::unique_ptr<const Filter>> conditions;
};

void encode_write(const std::vector<peer::ShardWrite>& writes, wire::WriteRequest& out);
Result<ReceivedWrite> decode_write(const wire::WriteRequest& in);
void encode_write_reply(const peer::ShardWriteReply& reply, wire::ShardWriteReply& out);
peer::ShardWriteReply decode_write_reply(const wire::ShardWriteReply& in);

/// The query without shards. What is left of the deadline travels, not its time: clocks differ.
void encode_query(const SearchQuery& query, wire::SearchRequest& out);
Result<SearchQuery> decode_query(const wire::SearchRequest& in);
void encode_from(const ReadFrom& from, wire::ReadFrom& out);
ReadFrom decode_from(const wire::ReadFrom& in);
void encode_hits(const peer::ShardSearchReply& reply, wire::ShardHits& out);
peer::ShardSearchReply decode_hits(wire::ShardHits& in);

void encode_projection(const Projection& projection, wire::Projection& out);
Projection decode_projection(const wire::Projection& in);
void encode_point(const Point& point, wire::Point& out);
Point decode_point(wire::Point& in);

void encode_scroll(const ScrollQuery& query, wire::ScrollRequest& out);
Result<ScrollQuery> decode_scroll(const wire::ScrollRequest& in);

void encode_points(const peer::ShardReply<peer::ShardPoints>& reply, wire::ShardPoints& out);
/// @param wanted how many ids the shard was asked for
peer::ShardReply<peer::ShardPoints> decode_points(wire::ShardPoints& in, std::size_t wanted);
void encode_page(const peer::ShardReply<peer::ShardPage>& reply, wire::ShardPage& out);
peer::ShardReply<peer::ShardPage> decode_page(wire::ShardPage& in);
void encode_count(const peer::ShardReply<std::uint64_t>& reply, wire::ShardCount& out);
peer::ShardReply<std::uint64_t> decode_count(const wire::ShardCount& in);

void encode_report(const peer::ShardReport& report, wire::ShardReport& out);
peer::ShardReport decode_report(const wire::ShardReport& in);
void encode_slice_order(const peer::SliceOrder& order, wire::SliceOrder& out);
peer::SliceOrder decode_slice_order(const wire::SliceOrder& in);
void encode_digest(const peer::ShardDigest& digest, wire::DigestReply& out);
peer::ShardDigest decode_digest(const wire::DigestReply& in);
void encode_slice(const peer::CopySlice& slice, wire::DigestReply& out);
peer::CopySlice decode_slice(const wire::DigestReply& in);

}  // namespace vectorizer::rpc
