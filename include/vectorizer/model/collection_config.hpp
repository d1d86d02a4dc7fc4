#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "vectorizer/base/result.hpp"
#include "vectorizer/base/strong_id.hpp"
#include "vectorizer/model/metric.hpp"

namespace vectorizer {

/// Unique in the cluster, allocated by the metadata log, never reused.
using ShardId = StrongId<std::uint64_t, struct ShardIdTag>;
using NodeId = StrongId<std::string, struct NodeIdTag>;

struct HnswConfig {
  std::uint32_t m = 16;                 ///< links a node keeps per upper layer (2 m on the lowest): 2..128
  std::uint32_t ef_construction = 200;  ///< candidates while building: 4..4096
  std::uint32_t ef_search = 64;         ///< candidates while searching, unless the request says: 1..10000
  friend bool operator==(const HnswConfig&, const HnswConfig&) = default;
};

struct ShardingConfig {
  std::uint32_t shard_count = 1;                ///< 1..1024, fixed at creation; 0 in a request: the cluster chooses
  std::uint32_t virtual_nodes_per_shard = 100;  ///< 1..10000
  std::uint32_t replication_factor = 1;         ///< copies of each shard, 1..7; 0 in a request: the cluster chooses
  std::uint32_t min_in_sync = 1;                ///< copies that must hold a write, 1..replication_factor; 0 likewise
  double rebalance_threshold = 0.2;             ///< 0..1
  friend bool operator==(const ShardingConfig&, const ShardingConfig&) = default;
};

/// What a client chose for a collection; every field has its default from the REST contract.
struct CollectionConfig {
  std::string name;             ///< 1..255 of [A-Za-z0-9_.-], not starting with '.'
  std::uint32_t dimension = 0;  ///< 1..65536
  Metric metric = Metric::kCosine;
  HnswConfig hnsw;
  Quantization quantization = Quantization::kNone;
  bool rescore = true;
  VectorStorage storage = VectorStorage::kMemory;
  ShardingConfig sharding;
  friend bool operator==(const CollectionConfig&, const CollectionConfig&) = default;
};

/// The body of POST /collections; what it leaves to the cluster is 0. Every unknown, mistyped or out-of-range field is a validation_error naming it.
Result<CollectionConfig> parse_collection_config(const nlohmann::json& body);
/// The body of PATCH /collections/{c} laid over `current`; a field that cannot change is named in the error.
Result<CollectionConfig> apply_collection_patch(const CollectionConfig& current, const nlohmann::json& patch);
/// As GET shows it; parse_collection_config(to_json(c)) == c.
nlohmann::json collection_config_to_json(const CollectionConfig& config);
bool valid_collection_name(std::string_view name);

}  // namespace vectorizer
