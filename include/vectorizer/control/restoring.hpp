#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// A node that was restored from a backup: what it knows of the cluster that it belonged to.
struct RestoredNode {
  peer::RestoredData data;
  cluster::ClusterMetadata metadata;
};

/// Takes a data directory that storage::check_restored has found restored out of its former cluster: its metadata goes
/// into the marker, its Raft log goes, and its identity is renewed. A crash at any point is made up for by the next
/// start. Nothing for a directory that belonged to no cluster, or belongs to another one by now: then the marker goes.
///
/// The copies in the result are for the caller to fill in. Not before the directory is locked.
Result<std::optional<RestoredNode>> begin_restore(const std::filesystem::path& data_dir, const NodeId& node);

/// The metadata with which restored nodes begin: that of the founder, for the nodes and the copies that are here now.
/// Every shard has a term beyond all that any of its copies has seen. The copy that holds most leads and is in sync
/// alone; the others follow it again. A shard that none of the nodes holds has nobody to lead it, as if their disks had
/// been lost together.
///
/// @param metadata of the founder
/// @param nodes everybody who answers a hello, the founder included
Result<cluster::ClusterMetadata> restored_metadata(cluster::ClusterMetadata metadata, const std::string& cluster_id,
                                                   std::uint32_t expected, const peer::Hello& founder,
                                                   const std::vector<peer::Hello>& nodes);

}  // namespace vectorizer::control
