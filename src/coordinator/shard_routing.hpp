#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fanout.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/model/protocol.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// One collection as one request sees it: a snapshot of the metadata, and whom to ask for which shard.
class ShardRouting {
 public:
  /// collection_not_found if it does not exist.
  /// On a node that lags it may exist all the same: it is not found only after this node has caught up.
  static Result<ShardRouting> of(cluster::MetadataLog& metadata, peer::PeerDirectory& peers, const NodeId& self,
                                 const std::string& collection);

  const cluster::CollectionRecord& collection() const { return *collection_; }
  const ShardId& shard_of(const PointId& id) const { return collection_->shard_of(id); }
  bool has(const ShardId& shard) const;
  std::uint64_t term_of(const ShardId& shard) const;
  /// The peer that leads a shard; "Shard not found or not assigned" or "Failed to get client for node" otherwise.
  Result<peer::Peer*> primary(const ShardId& shard) const;
  Result<Candidate> primary_candidate(const ShardId& shard) const;
  /// Each of `shards` with who may answer for it, the best first: with kAny this node, then others that are active;
  /// with kPrimary the primary. Those that nobody can be asked for go to `unreachable`.
  /// @param session the read must see what a session wrote: where no copy has it yet, the primary has
  struct Targets {
    std::vector<Target> targets;
    std::vector<std::pair<ShardId, Error>> unreachable;
  };
  Targets targets(Consistency consistency, bool session, std::span<const ShardId> shards) const;
  std::uint64_t epoch() const { return metadata_->epoch; }
  /// Whether the shards know a write again by its stamp. Every member does once this node has heard so, also one that
  /// has not heard it yet.
  bool knows_again() const { return metadata_->speaks(kProtocolWithResults); }
  /// One node alone: what it cannot do, nobody can.
  bool single() const { return metadata_->cluster_id.empty(); }

 private:
  ShardRouting(std::shared_ptr<const cluster::ClusterMetadata> metadata, const cluster::CollectionRecord* collection,
               peer::PeerDirectory& peers, NodeId self)
      : metadata_(std::move(metadata)), collection_(collection), peers_(&peers), self_(std::move(self)) {}
  Error no_primary(const ShardId& shard) const;
  /// Copies in sync, the nearest first.
  std::vector<Candidate> copies_of(const cluster::ShardPlacement& placement) const;

  std::shared_ptr<const cluster::ClusterMetadata> metadata_;
  const cluster::CollectionRecord* collection_;  // inside *metadata_
  peer::PeerDirectory* peers_;
  NodeId self_;
};

}  // namespace vectorizer::coordinator
