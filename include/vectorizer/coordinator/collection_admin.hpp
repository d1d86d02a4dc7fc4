#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::coordinator {

/// A collection as GET /collections/{c} shows it.
struct CollectionInfo {
  CollectionConfig config;
  std::int64_t created_at_ms = 0;  ///< since the epoch
  /// red: a shard has no primary that answers; yellow: a copy is missing or behind, or vectors wait for the graph;
  /// green: neither.
  std::string status;
  /// Of the primaries, or of another copy in sync where the primary's node does not answer.
  std::uint64_t vector_count = 0;
  std::uint64_t indexed_vector_count = 0;
  std::uint32_t shards_total = 0, shards_active = 0, shards_under_replicated = 0;
  std::vector<std::string> indexed_paths;  ///< payload paths that filters find without reading payloads
};

/// Creates, changes and drops collections: proposes metadata commands and waits until they hold. Thread-safe; may
/// block. On any node a collection is "not found" only after this node has caught up with the metadata; a node that
/// hangs delays an answer by a second at most.
class CollectionAdmin {
 public:
  virtual ~CollectionAdmin() = default;
  /// Returns once the primary of every shard takes writes and the other copies are in sync; after ten seconds, or three
  /// for the latter, with the status that is true then.
  virtual Result<CollectionInfo> create(const CollectionConfig& config) = 0;
  virtual Result<CollectionInfo> alter(const std::string& name, const nlohmann::json& patch) = 0;
  virtual Result<void> drop(const std::string& name) = 0;
  virtual Result<CollectionInfo> get(const std::string& name) const = 0;
  virtual std::vector<CollectionInfo> list() const = 0;  ///< by name
};

}  // namespace vectorizer::coordinator
