#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/log_entry.hpp"

namespace vectorizer::peer {

/// How far a process is on its way into a cluster; kept in its identity file.
///
///   kVirgin ──> kClaimed(cluster, by) ──> kMember
///      └──────> kJoining(cluster) ─────────^   └──> kRemoved
enum class IdentityState : std::uint8_t { kVirgin, kClaimed, kJoining, kMember, kRemoved };

/// How far one copy is, as its node says.
struct CopyStatus {
  ShardId shard;
  std::uint64_t copy = 0;
  std::uint64_t term = 0;  ///< the largest that it has seen
  LogPosition last;
  std::uint64_t applied = 0;
  bool failed = false;   ///< lost, damaged, or not to be opened
  bool serving = false;  ///< open for reads
  bool leading = false;  ///< it has taken up the role of primary at `term`
};

/// What a node that was restored from a backup brings into the cluster that restored nodes form.
struct RestoredData {
  std::string from_cluster;  ///< that the backup was made of: only nodes of one cluster are restored together
  /// The end of the metadata's log in the backup: the largest holds what was decided.
  std::uint64_t raft_term = 0, raft_index = 0;
  std::uint64_t metadata_epoch = 0;
  std::vector<CopyStatus> copies;
};

/// Who a process is, asked before it belongs to a cluster.
struct Hello {
  NodeId node;
  std::string uuid;  ///< 32 hex digits, made with the data directory
  std::uint64_t raft_id = 0;
  std::string endpoint;  ///< host:port of its gRPC, as others reach it
  std::string cluster_id;
  IdentityState state = IdentityState::kVirgin;
  std::string claimed_by;           ///< uuid, with kClaimed
  std::string claimed_by_endpoint;  ///< likewise: a founder that lost its disk asks again from there
  bool has_data = false;            ///< it holds collections of a single node: it can only be the first of a cluster
  std::uint64_t servers_hash = 0;   ///< of its configured list: equal lists, equal hash
  std::uint32_t expected_nodes = 0;
  std::uint64_t boot_epoch = 0;
  std::uint64_t boot_nonce = 0;
  std::uint64_t previous_nonce = 0;
  std::uint16_t rest_port = 0;
  std::string version;
  std::uint32_t protocol = 1;   ///< the largest that its build knows (model/protocol.hpp)
  std::string leader_endpoint;  ///< of the metadata's leader, if it knows one
  bool invites = false;         ///< an operator has added the process that is asked to the caller's cluster
  double uptime_seconds = 0;
  /// What it holds of the metadata, for callers of its own cluster; the digest is empty for others.
  std::uint64_t metadata_epoch = 0;
  std::string metadata_digest;
  std::optional<RestoredData> restored;  ///< until it belongs to a cluster
};

/// How far a copy is, durably: the largest term that it has seen, and a sequence that is never cut again.
struct CopyPosition {
  std::uint64_t copy = 0;
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  friend bool operator==(const CopyPosition&, const CopyPosition&) = default;
};
/// How far a disk is, durably.
struct Positions {
  std::uint64_t raft_id = 0;
  std::uint64_t raft_term = 0;
  std::uint64_t raft_index = 0;
  std::vector<CopyPosition> copies = {};
  friend bool operator==(const Positions&, const Positions&) = default;
};
/// What a peer remembers of another process: how to recognise a disk that went back in time.
struct Remembered {
  std::uint64_t boot_nonce = 0;  ///< the last one seen; 0 for never
  Positions positions;
};

struct ClaimRequest {
  std::string cluster_id;
  std::uint64_t servers_hash = 0;
  std::string from_uuid;
  std::string from_endpoint;
  std::string restores;  ///< cluster that the founder was restored from; empty if it was not
};

/// Sent to the leader of the metadata; an answer renews the lease of the sender.
struct Beat {
  NodeId node;
  std::uint64_t raft_id = 0;
  std::uint64_t boot_nonce = 0;
  bool stalled = false;            ///< its disk or queues hang: no lease is asked for
  std::uint64_t servers_hash = 0;  ///< of its configured list
  std::vector<CopyStatus> copies;
  std::vector<NodeId> unreachable;  ///< members that it cannot reach
};
/// What the leader of the metadata knows of one node.
struct HeardOf {
  NodeId node;
  std::chrono::milliseconds silence{0};  ///< since its last beat
  std::uint64_t servers_hash = 0;
};
struct BeatReply {
  bool lease = false;
  std::uint64_t metadata_epoch = 0;
  std::vector<HeardOf> heard = {};  ///< of every node that has beaten in this time as leader
  std::string refusal = {};         ///< why there is no lease
};

/// What nodes ask of each other to form and keep a cluster; reached by endpoint, because that is all a newcomer knows.
/// Calls block for at most cluster.timeout_ms. Thread-safe.
class MembershipPeer {
 public:
  virtual ~MembershipPeer() = default;
  virtual Result<Hello> hello(const Hello& self) = 0;
  /// What it remembers of the process with that raft id; then it takes over what it is told. One that is told nothing
  /// but the raft id was asked only.
  virtual Result<Remembered> remembered(const Positions& told) = 0;
  virtual Result<void> claim(const ClaimRequest& request) = 0;
  /// To any member, which passes it on to the leader.
  virtual Result<void> join(const Hello& newcomer) = 0;
  virtual Result<void> you_are_removed(const std::string& cluster_id) = 0;
  virtual Result<BeatReply> beat(const Beat& beat) = 0;
  /// An encoded metadata command (cluster::encode_command) for the leader; the epoch after it.
  virtual Result<std::uint64_t> propose(const std::string& command) = 0;
  /// The epoch that a read begun now must have seen.
  virtual Result<std::uint64_t> barrier() = 0;
};

/// Thread-safe.
class MembershipDirectory {
 public:
  virtual ~MembershipDirectory() = default;
  /// `endpoint` is host:port; never null.
  virtual std::shared_ptr<MembershipPeer> membership(const std::string& endpoint) = 0;
};

}  // namespace vectorizer::peer
