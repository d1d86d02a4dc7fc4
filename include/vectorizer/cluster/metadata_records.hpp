#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

// The metadata as records by key, so that a change writes what it changes: a small head, and one record for each
// collection with the placements of its shards (docs/formats/metadata.md).

/// A record put, or deleted when it has no value.
struct RecordChange {
  std::string key;
  std::optional<std::string> value;
};

/// What leads from the records of `before` to those of `next`.
std::vector<RecordChange> changed_records(const ClusterMetadata& before, const ClusterMetadata& next);

/// Damaged or missing records are an error; no records at all are too. In any order.
Result<ClusterMetadata> decode_records(const std::vector<std::pair<std::string, std::string>>& records);

}  // namespace vectorizer::cluster
