#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// One collection as one request sees it: a snapshot of the metadata, and whom to ask for which shard.
class ShardRouting {
 public:
  /// collection_not_found if it does not exist.
  static Result<ShardRouting> of(const cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                                 const std::string& collection);

  const cluster::CollectionRecord& collection() const { return *collection_; }
  const ShardId& shard_of(const PointId& id) const { return collection_->shard_of(id); }
  bool has(const ShardId& shard) const;
  std::uint64_t term_of(const ShardId& shard) const;
  /// The peer that leads a shard; "Shard not found or not assigned" or "Failed to get client for node" otherwise.
  Result<peer::Peer*> primary(const ShardId& shard) const;
  /// All shards grouped by the peer to ask; those that nobody can be asked for go to `unreachable`.
  struct Legs {
    std::map<peer::Peer*, std::vector<ShardId>> by_peer;
    std::vector<std::pair<ShardId, Error>> unreachable;
  };
  Legs legs() const;

 private:
  ShardRouting(std::shared_ptr<const cluster::ClusterMetadata> metadata, const cluster::CollectionRecord* collection,
               peer::PeerDirectory& peers)
      : metadata_(std::move(metadata)), collection_(collection), peers_(&peers) {}

  std::shared_ptr<const cluster::ClusterMetadata> metadata_;
  const cluster::CollectionRecord* collection_;  // inside *metadata_
  peer::PeerDirectory* peers_;
};

}  // namespace vectorizer::coordinator
