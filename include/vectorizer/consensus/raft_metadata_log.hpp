#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::consensus {

/// The address of a member in the raft configuration, `n-<hex>`: where it is reached may change, this never does.
std::string raft_address(std::uint64_t raft_id);

struct RaftTimings {
  std::chrono::milliseconds election{1000};      ///< a follower waits 1 to 2 of it before it stands for election
  std::chrono::milliseconds heartbeat{100};      ///< well below `election`
  std::chrono::milliseconds connect_retry{100};  ///< between attempts to reach a member
  std::chrono::milliseconds install_snapshot{5000};
  std::chrono::milliseconds operation{5000};   ///< bounds propose, barrier, add, demote, remove and transfer
  std::chrono::milliseconds promotion{60000};  ///< bounds promote, which waits until the member has caught up
};

struct RaftOptions {
  std::uint64_t raft_id = 0;  ///< not 0; of this disk: a wiped node has another one
  std::filesystem::path directory;
  RaftTimings timings;
  std::uint32_t snapshot_threshold = 4096;      ///< entries between snapshots
  std::uint32_t snapshot_trailing = 4096;       ///< entries kept behind a snapshot for members that lag
  std::uint64_t min_free_bytes = 256ULL << 20;  ///< below this the leader refuses commands and hands leadership over
  /// Free bytes where `directory` is; for tests. Empty: asks the system.
  std::function<std::uint64_t()> free_bytes;
  /// Called once, from a thread of the log, when it has stopped for good: see RaftMetadataLog::failure.
  std::function<void(const Error&)> on_failure;
};

enum class MemberRole : std::uint8_t { kSpare, kStandby, kVoter };

struct Member {
  std::uint64_t raft_id = 0;
  MemberRole role = MemberRole::kSpare;
  friend bool operator==(const Member&, const Member&) = default;
};

/// Where the log stands, as this member sees it.
struct RaftStatus {
  std::uint64_t term = 0;
  std::uint64_t leader = 0;  ///< raft id; 0 when none is known
  bool is_leader = false;
  std::uint64_t applied_index = 0;
  std::uint64_t last_index = 0;  ///< of the log; may exceed what is durable by what is being written
  /// Applied, so that it is never cut again, and on this disk. What others have stored is applied before it is stored
  /// here.
  std::uint64_t durable_index = 0;
};

/// The metadata log of a cluster: Raft. Every member has the same commands in the same order.
///
/// propose, barrier and the changes of membership work on the leader. Errors: kNoLeader (with the leader's address in
/// the details as `leader`, if one is known), kStorageFull, kOverloaded and kShuttingDown mean that nothing was done.
/// kTimeout, with `outcome: "unknown"`, means that it may have been done or may still be. What the command itself is
/// refused for comes from cluster::apply.
///
/// catch_up is a barrier. leader() is the node whose record has the leader's raft id, empty if there is none.
///
/// Observers are called on one thread of the log, in order of epochs; of several changes in quick succession they may
/// see the last alone. A command proposed from an observer returns before observers have seen it. The log must not be
/// destroyed from an observer or from on_failure. Thread-safe.
class RaftMetadataLog : public cluster::MetadataLog {
 public:
  /// Passes once everything decided before the call is in current() of this member. Callers share barriers.
  /// The value is the epoch of current() at that point.
  virtual Result<std::uint64_t> barrier() = 0;

  virtual RaftStatus status() const = 0;
  bool is_leader() const { return status().is_leader; }
  std::uint64_t term() const { return status().term; }
  /// The raft id of the leader, 0 when none is known.
  std::uint64_t leader_raft_id() const { return status().leader; }

  /// The members as this one knows them, the last change perhaps not yet committed; empty before it has joined.
  virtual std::vector<Member> members() const = 0;
  /// Each returns when the change is committed, and succeeds when there is nothing to change. One at a time: kConflict
  /// while another one is under way. A new member gets the log, and no vote before `promote`.
  virtual Result<void> add_member(std::uint64_t raft_id) = 0;
  virtual Result<void> promote(std::uint64_t raft_id) = 0;
  virtual Result<void> demote(std::uint64_t raft_id) = 0;
  /// A leader that removes itself steps down. The removed member is not told.
  virtual Result<void> remove_member(std::uint64_t raft_id) = 0;
  /// To one member, or to any voter that can take over.
  virtual Result<void> transfer_leadership(std::optional<std::uint64_t> to) = 0;

  /// Why the log has stopped: its store cannot be written or read, or a command cannot be understood. It takes part in
  /// nothing any more, as if the process had ended; only a restart helps.
  virtual std::optional<Error> failure() const = 0;

  /// A copy of its store as it is now in `directory`, which must not exist, for a snapshot of the node.
  virtual Result<void> checkpoint(const std::filesystem::path& directory) const = 0;

  /// Serves a stream that another member opened, on the calling thread, until it ends. A stream that is meant for
  /// another raft id, or that comes too early or late, is refused at once. `stream` is closed on return.
  virtual Result<void> serve(const peer::StreamRoute& route, peer::ByteStream& stream) = 0;
};

/// Starts a member with what its directory holds: as a silent follower without a vote if that is nothing. Damage, and
/// a directory of another raft id, are errors that say so.
/// @param connector, metrics outlive the log.
Result<std::unique_ptr<RaftMetadataLog>> make_raft_metadata_log(const RaftOptions& options,
                                                                peer::StreamConnector& connector,
                                                                MetricsRegistry& metrics);

/// Makes the directory that of the first voter of a new cluster whose metadata is `initial`; once in the life of a
/// cluster, before the log is opened. Refused if the directory holds anything.
Result<void> bootstrap_raft(const RaftOptions& options, const cluster::ClusterMetadata& initial);

/// What the store of a member that does not run holds, up to the last entry of its log.
struct StoredMetadata {
  /// Of the last entry. Of several members' stores the one with the largest pair holds everything that was committed,
  /// if one of them does; and perhaps changes whose outcome nobody knew.
  std::uint64_t term = 0, index = 0;
  cluster::ClusterMetadata metadata;
};
/// Changes nothing that matters to the member. Not while the log is open.
Result<StoredMetadata> read_stored_metadata(const RaftOptions& options);

/// Whether the directory holds nothing yet, so that this member has never voted. Not while the log is open.
Result<bool> raft_is_empty(const RaftOptions& options);

/// How far the log of a directory is: what this member has on its disk. Zeros for nothing. Not while the log is open.
struct RaftPosition {
  std::uint64_t term = 0;
  std::uint64_t index = 0;
};
Result<RaftPosition> raft_position(const RaftOptions& options);

}  // namespace vectorizer::consensus
