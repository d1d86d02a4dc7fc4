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
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds> wanted, const Projection& what,
                                                       const ReadFrom& from) override;
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                        const ReadFrom& from) override;
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards,
                                                     const std::optional<Filter>& filter,
                                                     const ReadFrom& from) override;
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override;
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override;
  Result<peer::ShardDigest> digest(const ShardId& shard) override;
  Result<peer::CopySlice> slice(const ShardId& shard, const peer::SliceOrder& order) override;
  Result<std::vector<peer::SnapshotInfo>> snapshot(const peer::SnapshotOrder& order) override;

 private:
  template <typename Function, typename Request, typename Reply>
  Result<void> ask(Method method, Function function, const Request& request, Reply& reply, Clock::time_point deadline);
  template <typename Answer, typename Function, typename Request, typename Reply, typename Decode>
  std::vector<peer::ShardReply<Answer>> read(Method method, Function function, const std::vector<ShardId>& shards,
                                             Request& request, Reply reply, const ReadFrom& from, const Decode& decode);
  Clock::time_point deadline() const { return Clock::now() + core_.options.timeout; }

  ClientCore& core_;
  const NodeId node_;
  LineSlot<wire::DataService> line_;
};

}  // namespace vectorizer::rpc
