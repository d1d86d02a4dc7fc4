#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

/// Adds or updates a member.
struct UpsertNode {
  NodeRecord node;
};
/// Allocates shard ids and places the copies; the name must be free.
struct CreateCollection {
  CollectionConfig config;
  std::int64_t created_at_ms = 0;
};
/// Replaces the configuration of a collection if it still is `expected` (compare and set).
struct AlterCollection {
  CollectionConfig expected;
  CollectionConfig wanted;
};
struct DropCollection {
  std::string name;
};
/// A node has created its empty copy of a shard in state INIT: the copy joins the in-sync set.
struct OpenCopy {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t isr_version = 0;  ///< as the node saw it; another value is refused
  NodeId node;
};

using MetadataCommand = std::variant<UpsertNode, CreateCollection, AlterCollection, DropCollection, OpenCopy>;

/// The whole control plane as one pure function: the metadata after `command`, or why it is refused.
Result<ClusterMetadata> apply(const ClusterMetadata& metadata, const MetadataCommand& command);

}  // namespace vectorizer::cluster
