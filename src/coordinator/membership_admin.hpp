#pragma once

#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/coordinator.hpp"

namespace vectorizer::coordinator {

// What an operator does with nodes. Each is recorded in the metadata; the leader does the rest.

Error node_not_found(const NodeId& node);
Error node_already_exists(const NodeId& node);

/// Adds a node as `joining`. conflict when the process at its address belongs to another cluster.
Result<cluster::NodeRecord> record_new_node(cluster::MetadataLog& log, const MemberPorts& members,
                                            const NodeView& node);

Result<NodeRemoval> remove_node(cluster::MetadataLog& log, const NodeId& node, bool force);

/// The node is active again, and moves away from it that run are taken back.
Result<void> cancel_drain(cluster::MetadataLog& log, const NodeId& node);

}  // namespace vectorizer::coordinator
