#pragma once

#include <nlohmann/json_fwd.hpp>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

// The parts of the metadata as JSON, for the stored form and for commands. Reading throws what `reading` catches.

nlohmann::json to_json(const NodeRecord& node);
nlohmann::json to_json(const ShardPlacement& placement);
nlohmann::json to_json(const CollectionRecord& record);

NodeRecord node_from_json(const nlohmann::json& object);
/// min_in_sync is left to the collection.
ShardPlacement placement_from_json(const nlohmann::json& object);
Result<CollectionRecord> collection_from_json(const nlohmann::json& object);

}  // namespace vectorizer::cluster
