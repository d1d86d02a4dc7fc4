#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/log_entry.hpp"

namespace vectorizer::peer {

/// What the primary of a shard sends to one copy: entries that follow `previous`, and how far the shard is committed.
/// An empty list of entries is a beat.
struct ReplicateRequest {
  ShardId shard;
  std::uint64_t copy = 0;  ///< the copy that is meant; another one on that node answers kNotHere
  std::uint64_t term = 0;
  NodeId primary;
  LogPosition previous;
  std::uint64_t commit = 0;
  std::vector<LogEntry> entries;
  /// The primary keeps no entry that this copy could continue from: it must fetch a checkpoint. `previous` is then the
  /// end of the primary's log.
  bool fetch_checkpoint = false;
};

using vectorizer::TermStart;

struct ReplicateReply {
  enum class Outcome : std::uint8_t {
    kAccepted,   ///< durable up to `last`
    kStaleTerm,  ///< the copy has seen `term`, which is larger
    kMismatch,   ///< `previous` is not in the log: go on from a match within `terms`
    kDiverged,   ///< the copy has applied what the primary does not have: an operator's case
    kNotHere,    ///< no such copy on this node (yet)
    kFetching,   ///< it is fetching a checkpoint
    kFailed,     ///< the copy cannot store or read; it says why in the log of its node
  };
  Outcome outcome = Outcome::kAccepted;
  std::uint64_t term = 0;        ///< the largest term that the copy has seen
  LogPosition last;              ///< of its log; with kAccepted the end of the request, up to which both logs agree
  std::uint64_t applied = 0;     ///< in its point store
  std::vector<TermStart> terms;  ///< with kMismatch, ascending
};

/// The start of a checkpoint: the points of a shard at one sequence.
struct CheckpointHeader {
  LogPosition at;
  std::uint64_t points = 0;       ///< as counted at the start, for progress; 0 when not counted
  std::uint64_t index_bytes = 0;  ///< size of the saved index that follows the points; 0 for none
};

/// Receives a checkpoint in order. Every method may refuse, which ends the transfer.
class CheckpointSink {
 public:
  virtual ~CheckpointSink() = default;
  virtual Result<void> header(const CheckpointHeader& header) = 0;
  /// A slice of the encoded points (docs/formats/operation-log.md), 1 MiB or little more. It holds whole records, and
  /// is never cut in two on its way.
  virtual Result<void> points(std::string bytes) = 0;
  /// A slice of the saved index file, at most 1 MiB.
  virtual Result<void> index(std::string bytes) = 0;
};

/// What the copies of a shard say to each other. Thread-safe.
class ReplicationPeer {
 public:
  using OnReply = std::function<void(Result<ReplicateReply>)>;

  virtual ~ReplicationPeer() = default;
  /// Does not block. `on_reply` is called exactly once, on any thread, perhaps before this returns; after a bounded
  /// time (cluster.timeout_ms) with kTimeout, or kNodeUnreachable.
  virtual void replicate(ReplicateRequest request, OnReply on_reply) = 0;
  /// Asks the primary of `shard` at `term` for a checkpoint and feeds it to `sink`; blocks until it is complete. A
  /// stream that makes no progress for cluster.timeout_ms fails.
  virtual Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, CheckpointSink& sink) = 0;
};

/// How to reach the copies on another node. Thread-safe.
class ReplicationDirectory {
 public:
  virtual ~ReplicationDirectory() = default;
  /// Null when the node is not known. Valid until the call after the node has left the cluster.
  virtual std::shared_ptr<ReplicationPeer> replication(const NodeId& node) = 0;
};

}  // namespace vectorizer::peer
