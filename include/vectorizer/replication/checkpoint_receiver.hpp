#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/replication/replica_group.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::replication {

/// Where a checkpoint goes: a copy number that nothing has been written under, and the place of its saved index.
struct CheckpointTarget {
  storage::Database* database = nullptr;
  storage::CopyNumber number = 0;
  std::filesystem::path index_file;  ///< in a directory that exists
};

/// Fetches a checkpoint of `shard` from its primary into a new copy, which is complete and durable when this returns;
/// hand_on(), going live and dropping the old one is the caller's. After an error the caller drops the number.
/// The position that the new copy has.
Result<LogPosition> receive_checkpoint(peer::ReplicationPeer& primary, const ShardId& shard, std::uint64_t term,
                                       const CheckpointTarget& target);

/// Stops `old` and hands what it has seen of terms on to the received copy, which may then take its place.
Result<void> hand_on(ReplicaGroup& old, const CheckpointTarget& target);

}  // namespace vectorizer::replication
