#pragma once

#include "line_slot.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/rpc/v1/replication.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// The copies on another node. Without a line every call is kNodeUnreachable.
class GrpcReplicationPeer final : public peer::ReplicationPeer {
 public:
  GrpcReplicationPeer(ClientCore& core, NodeId node) : core_(core), node_(std::move(node)) {}
  /// Null to have none.
  void set_line(std::shared_ptr<Line<wire::ReplicationService>> line) { line_.set(std::move(line)); }

  void replicate(peer::ReplicateRequest request, OnReply on_reply) override;
  Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) override;

 private:
  ClientCore& core_;
  const NodeId node_;
  LineSlot<wire::ReplicationService> line_;
};

}  // namespace vectorizer::rpc
