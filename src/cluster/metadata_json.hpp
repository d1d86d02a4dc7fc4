#pragma once

#include <nlohmann/json_fwd.hpp>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

inline constexpr int kMetadataFormat = 2;

// The parts of the metadata as JSON, for the stored form and for commands. Reading throws what `reading` catches.

nlohmann::json to_json(const NodeRecord& node);
nlohmann::json to_json(const ShardPlacement& placement);
nlohmann::json to_json(const CollectionRecord& record);
nlohmann::json to_json(const PlannedMove& move);
nlohmann::json to_json(const MigrationRecord& migration);

NodeRecord node_from_json(const nlohmann::json& object);
/// min_in_sync is left to the collection.
ShardPlacement placement_from_json(const nlohmann::json& object);
Result<CollectionRecord> collection_from_json(const nlohmann::json& object);
PlannedMove move_from_json(const nlohmann::json& object);
MigrationRecord migration_from_json(const nlohmann::json& object);

/// Everything but collections and placements.
nlohmann::json head_to_json(const ClusterMetadata& metadata);
/// An error where the cluster speaks a protocol that this build does not know.
Result<void> read_head(const nlohmann::json& object, ClusterMetadata& metadata);
Result<void> check_protocol(std::uint32_t spoken);

/// After its collection.
void add_placement(ClusterMetadata& metadata, ShardPlacement placement);
/// After all placements: each shard of each collection must have one.
void check_shards(const ClusterMetadata& metadata);

}  // namespace vectorizer::cluster
