#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/request_id.hpp"
#include "vectorizer/model/requests.hpp"
#include "vectorizer/model/shard_stats.hpp"
#include "vectorizer/peer/snapshots.hpp"

namespace vectorizer::peer {

/// The operations of one write that belong to one shard.
struct ShardWrite {
  ShardId shard;
  std::uint64_t term = 0;
  std::vector<WriteOp> ops;
  std::optional<RequestStamp> stamp{};  ///< by which the shard knows it when it comes again
};

/// What one shard answered.
struct ShardWriteReply {
  ShardId shard;
  Result<std::vector<WriteOutcome>> outcomes;
  std::uint64_t sequence = 0;  ///< of the shard once it had the write; a read that is as far sees it
};
struct ShardSearchReply {
  ShardId shard;
  Result<std::vector<ScoredPoint>> hits;
};
template <typename Answer>
struct ShardReply {
  ShardId shard;
  Result<Answer> answer;
};

/// The ids of a read that belong to one shard.
struct ShardIds {
  ShardId shard;
  std::vector<PointId> ids;
};
/// One for each id, in their order.
using ShardPoints = std::vector<std::optional<Point>>;

/// A page of one shard's points in id order.
struct ShardPage {
  std::vector<Point> points;
  bool complete = true;
};

/// The state of one copy on a node.
struct ShardReport : ShardStats {
  ShardId shard;
  std::uint64_t received_bytes = 0;  ///< of a checkpoint that is on its way to it
  double receiving_seconds = 0;      ///< likewise, since it began; 0 when none is
  /// Why a copy of the shard is not used, or is made again; empty for none.
  std::string quarantined;
  NodeId quarantined_node;  ///< whose; empty for the one that reports
  bool open = true;         ///< false: it could not be opened, and nothing else is known
};

/// What a copy holds as of one sequence: equal for copies that are equal. XXH3-128 over id, sequence, vector and
/// payload of every point, in the order of ids.
struct ShardDigest {
  std::uint64_t sequence = 0;  ///< of the last operation in it
  std::uint64_t points = 0;
  std::uint64_t high = 0, low = 0;
  friend bool operator==(const ShardDigest&, const ShardDigest&) = default;
};

/// The points of a copy that come after `after`, up to `until`: as many as there are, but not more than `max_points`
/// nor many more than `max_bytes`.
struct SliceOrder {
  std::optional<PointId> after, until;
  std::uint64_t max_points = 0, max_bytes = 0;
  bool listed = false;  ///< each point for itself, too
};
struct SlicePoint {
  PointId id;
  std::uint64_t sequence = 0;  ///< of the operation that wrote it
  std::uint64_t hash = 0;      ///< XXH3-64 of what a digest takes of a point
  friend bool operator==(const SlicePoint&, const SlicePoint&) = default;
};
/// What is in a slice, as a digest of it; as of one moment.
struct CopySlice : ShardDigest {
  std::optional<PointId> last;  ///< point; nothing for none
  bool complete = true;         ///< nothing follows, up to `until`
  std::uint64_t bytes = 0;      ///< that were read
  std::vector<SlicePoint> list;
};

/// What nodes ask of each other; local or remote look the same. One call per node, not per shard. A shard that the
/// node does not serve answers kShardUnavailable in its place. Thread-safe; calls block until answered.
class Peer {
 public:
  virtual ~Peer() = default;

  virtual std::vector<ShardWriteReply> write(std::vector<ShardWrite> writes) = 0;
  virtual std::vector<ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) = 0;
  virtual std::vector<ShardReply<ShardPoints>> get(std::span<const ShardIds> wanted, const Projection& what,
                                                   const ReadFrom& from) = 0;
  virtual std::vector<ShardReply<ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                    const ReadFrom& from) = 0;
  virtual std::vector<ShardReply<std::uint64_t>> count(std::span<const ShardId> shards,
                                                       const std::optional<Filter>& filter, const ReadFrom& from) = 0;
  virtual Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter,
                                                const std::optional<PointId>& after, std::size_t limit) = 0;
  /// Of those of `shards` that the node serves, or of all that it serves when `shards` is empty.
  virtual Result<std::vector<ShardReport>> report(std::span<const ShardId> shards) = 0;
  /// Of the content of a copy, whatever its role: reads it whole, from disk.
  virtual Result<ShardDigest> digest(const ShardId& shard) {
    return Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id", shard.value());
  }
  /// All of its snapshots after the order; of kCreate, kVerify and kRemove the one that is meant, if it is still there.
  virtual Result<std::vector<SnapshotInfo>> snapshot(const SnapshotOrder&) {
    return Error{ErrorType::kInternal, "this node makes no snapshots"};
  }
  /// A part of a digest.
  virtual Result<CopySlice> slice(const ShardId& shard, const SliceOrder&) {
    return Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}.with("shard_id", shard.value());
  }
};

/// How to reach a node. Thread-safe.
class PeerDirectory {
 public:
  virtual ~PeerDirectory() = default;
  /// Null when there is no way to reach it ("Failed to get client for node").
  virtual Peer* find(const NodeId& node) = 0;
};

/// The directory of a cluster of one.
class SinglePeerDirectory final : public PeerDirectory {
 public:
  SinglePeerDirectory(NodeId self, Peer& peer) : self_(std::move(self)), peer_(peer) {}
  Peer* find(const NodeId& node) override { return node == self_ ? &peer_ : nullptr; }

 private:
  const NodeId self_;
  Peer& peer_;
};

}  // namespace vectorizer::peer
