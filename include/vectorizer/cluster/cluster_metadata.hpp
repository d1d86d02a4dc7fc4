#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/hash_ring.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/point_id.hpp"

namespace vectorizer::cluster {

/// A member as the metadata knows it.
struct NodeRecord {
  NodeId id;
  std::string address;
  std::uint16_t grpc_port = 0;
  std::uint16_t rest_port = 0;
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

/// Who holds a shard. Stored, so that moves are explicit: the ring proposes, the metadata disposes.
///
///   created ──> in_sync empty (INIT: a node may create an empty copy)
///           ──> in_sync = {primary} (a copy that the disk lacks is lost, and is never created again by itself)
struct ShardPlacement {
  ShardId shard;
  std::string collection;
  std::uint64_t term = 1;         ///< +1 on each promotion; fences a stale primary
  std::uint64_t isr_version = 0;  ///< +1 on each change of in_sync
  NodeId primary;
  std::vector<NodeId> replicas;  ///< every copy, the primary included
  std::vector<NodeId> in_sync;
  friend bool operator==(const ShardPlacement&, const ShardPlacement&) = default;
};

struct CollectionRecord {
  CollectionConfig config;
  std::int64_t created_at_ms = 0;
  std::vector<ShardId> shards;  ///< position i owns what ring member i owns
  std::uint32_t ring_version = HashRing::kVersion;
  std::shared_ptr<const HashRing> ring;  ///< derived from shard_count and virtual nodes

  const ShardId& shard_of(const PointId& id) const;
};

/// Everything the cluster agrees on: an immutable value; a change makes a new one with a larger epoch.
struct ClusterMetadata {
  std::uint64_t epoch = 0;
  std::uint64_t next_shard_id = 0;
  std::map<NodeId, NodeRecord> nodes;
  std::map<std::string, CollectionRecord, std::less<>> collections;
  std::map<ShardId, ShardPlacement> placements;

  const CollectionRecord* find(std::string_view collection) const;
};

/// The ring that sends points to the `shard_count` shards of a collection.
std::shared_ptr<const HashRing> make_shard_ring(const ShardingConfig& sharding);

/// The stored form: a versioned JSON object (docs/formats/metadata.md).
std::string encode_metadata(const ClusterMetadata& metadata);
Result<ClusterMetadata> decode_metadata(std::string_view bytes);
/// Hex XXH3-128 of the encoded form: equal on nodes that agree.
std::string metadata_digest(const ClusterMetadata& metadata);

}  // namespace vectorizer::cluster
