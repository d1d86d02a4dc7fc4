#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::peer {

/// What a node is asked to do with the snapshots of its data directory. Each is answered at once; what takes long goes
/// on in the background, and kList tells how far it is.
struct SnapshotOrder {
  enum class Kind : std::uint8_t { kList, kCreate, kVerify, kRemove };
  Kind kind = Kind::kList;
  std::string name;           ///< of all but kList
  std::vector<NodeId> nodes;  ///< kCreate: everybody who is asked for one of this name
};

///   kCreating ──> kComplete <──> kVerifying ──> kDamaged
///       └──> kFailed (nothing is on disk)
enum class SnapshotState : std::uint8_t { kCreating, kComplete, kFailed, kVerifying, kDamaged };

/// How far a copy of a shard is in a snapshot.
struct SnapshotPoint {
  ShardId shard;
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;  ///< of the last operation that is applied in it
  friend bool operator==(const SnapshotPoint&, const SnapshotPoint&) = default;
};

struct SnapshotInfo {
  std::string name;
  SnapshotState state = SnapshotState::kCreating;
  std::string path;  ///< on the disk of its node
  std::int64_t created_at_ms = 0;
  std::uint64_t bytes = 0;
  std::uint64_t shared_bytes = 0;  ///< of files that were in the snapshot before it: they take no room of their own
  std::uint64_t files = 0;
  std::string checksum;  ///< of its manifest, which has one of every file
  std::uint64_t metadata_epoch = 0;
  std::vector<NodeId> nodes;
  std::vector<SnapshotPoint> points;
  std::int64_t verified_at_ms = 0;    ///< 0: not since the node started
  std::vector<std::string> problems;  ///< of kFailed and kDamaged
  friend bool operator==(const SnapshotInfo&, const SnapshotInfo&) = default;
};

}  // namespace vectorizer::peer
