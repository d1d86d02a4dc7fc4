#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/hash_ring.hpp"
#include "vectorizer/cluster/migration_record.hpp"
#include "vectorizer/cluster/node_record.hpp"
#include "vectorizer/cluster/shard_placement.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/point_id.hpp"

namespace vectorizer::cluster {

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
  std::uint64_t next_copy_id = 1;
  std::uint64_t next_migration_id = 1;
  std::string cluster_id;            ///< empty for a single node
  std::uint32_t expected_nodes = 0;  ///< that must have joined before it is formed; 0 for a single node
  bool formed = false;               ///< set once, for ever
  std::uint32_t protocol = 1;        ///< that is spoken (protocol.hpp); of a single node the one that its build knows
  std::map<NodeId, NodeRecord> nodes;
  std::map<std::string, CollectionRecord, std::less<>> collections;
  std::map<ShardId, ShardPlacement> placements;
  std::map<std::uint64_t, MigrationRecord> migrations;  ///< all that run, and the last that have ended

  const CollectionRecord* find(std::string_view collection) const;
  /// A cluster that is not complete yet: changes by clients wait.
  bool forming() const { return !cluster_id.empty() && !formed; }
  /// Whether `wanted` or a later protocol is spoken.
  bool speaks(std::uint32_t wanted) const;
  /// How many nodes have joined and were not removed.
  std::size_t member_count() const;
  /// Nodes that new copies may go to.
  std::vector<NodeId> active_nodes() const;
  /// The copy is on the disk that its node has now; not so after the node was wiped or removed.
  bool present(const CopyRecord& copy) const;
  /// `present`, on a node that is active or draining.
  bool live(const CopyRecord& copy) const;
  /// The move of a shard that is being made; those after it wait. Null for none.
  const MigrationRecord* migration_of(const ShardId& shard) const;
};

/// The ring that sends points to the `shard_count` shards of a collection. Equal configurations share one.
std::shared_ptr<const HashRing> make_shard_ring(const ShardingConfig& sharding);

/// The stored form: a versioned JSON object (docs/formats/metadata.md). Every older format can be read.
std::string encode_metadata(const ClusterMetadata& metadata);
Result<ClusterMetadata> decode_metadata(std::string_view bytes);
/// Hex XXH3-128 of the encoded form: equal on nodes that agree.
std::string metadata_digest(const ClusterMetadata& metadata);

}  // namespace vectorizer::cluster
