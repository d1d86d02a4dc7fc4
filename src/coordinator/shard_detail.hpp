#pragma once

#include "node_calls.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// All copies of a shard, each as its own node reports it. @param with_digests reads every copy whole, again for a
/// moment while the copies are at different sequences: only those at the same one can be compared.
Result<ShardDetail> shard_detail(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers, NodeCalls& calls,
                                 const ShardId& shard, bool with_digests);

}  // namespace vectorizer::coordinator
