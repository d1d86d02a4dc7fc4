#pragma once

#include "line_slot.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/rpc/v1/data.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// The shards of another node. Without a line every call is kNodeUnreachable.
class GrpcPeer final : public peer::Peer {
 public:
  GrpcPeer(ClientCore& core, NodeId node) : core_(core), node_(std::move(node)) {}
  /// Null to have none.
  void set_line(std::shared_ptr<Line<wire::DataService>> line) { line_.set(std::move(line)); }

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override;
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override;
  Result<std::vector<std::optional<Point>>> get(const ShardId& shard, std::span<const PointId> ids,
                                                const Projection& what) override;
  Result<peer::ShardPage> scroll(const ShardId& shard, const ScrollQuery& query) override;
  Result<std::uint64_t> count(const ShardId& shard, const std::optional<Filter>& filter) override;
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override;
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override;
  Result<peer::ShardDigest> digest(const ShardId& shard) override;

 private:
  template <typename Function, typename Request, typename Reply>
  Result<void> ask(Method method, Function function, const Request& request, Reply& reply, Clock::time_point deadline);
  Clock::time_point deadline() const { return Clock::now() + core_.options.timeout; }

  ClientCore& core_;
  const NodeId node_;
  LineSlot<wire::DataService> line_;
};

}  // namespace vectorizer::rpc
