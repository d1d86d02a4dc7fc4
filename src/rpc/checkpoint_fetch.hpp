#pragma once

#include "link.hpp"
#include "vectorizer/peer/replication_peer.hpp"

namespace vectorizer::rpc {

/// Streams a checkpoint into `sink` over a connection of its own, checking every slice and the whole. Ends with
/// kTimeout when nothing comes for options.timeout.
Result<void> fetch_checkpoint_from(ClientCore& core, const Target& target, const ShardId& shard, std::uint64_t term,
                                   peer::CheckpointSink& sink);

}  // namespace vectorizer::rpc
