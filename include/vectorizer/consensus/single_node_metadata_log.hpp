#pragma once

#include <memory>

#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::consensus {

/// The metadata log of a cluster of one: a command is decided when it is synced to the node's own database.
///
/// Reads what an earlier run stored; damaged metadata is an error that ends the start, never an empty cluster.
/// @param database outlives the log.
Result<std::unique_ptr<cluster::MetadataLog>> open_single_node_metadata_log(storage::Database& database,
                                                                            const cluster::NodeRecord& self);

/// What a single node has stored, without a log: a cluster begins with it. Empty metadata when there is none.
Result<cluster::ClusterMetadata> read_single_node_metadata(storage::Database& database);

}  // namespace vectorizer::consensus
