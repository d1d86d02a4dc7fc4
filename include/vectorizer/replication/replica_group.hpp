#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/cluster/shard_placement.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/storage/operation_log.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::replication {

using std::chrono::milliseconds;

struct ReplicationOptions {
  milliseconds idle_beat{300};
  milliseconds commit_beat{100};       ///< when the commit moved and no entry carried it
  milliseconds retry_pause{100};       ///< before a copy that did not take a request is asked again
  milliseconds silence{2000};          ///< a required copy that accepts nothing for so long leaves the in-sync set
  milliseconds unreachable{500};       ///< one whose process cannot even be reached leaves it sooner
  milliseconds dead{250};              ///< and one whose node the cluster has given up, sooner still
  milliseconds commit_timeout{30000};  ///< then the outcome of a write is unknown
  milliseconds leaseless_wait{3000};   ///< or sooner, when the node has had no lease for so long
  milliseconds settle_timeout{2000};   ///< how long a write waits for an earlier one whose outcome is unknown
  milliseconds reader_silence{3000};   ///< a copy that has not heard its primary for so long refuses reads
  milliseconds checkpoint_pin{60000};  ///< for how long the log is kept from the end of a sent checkpoint on
  std::size_t request_bytes = 4U << 20;
  std::size_t tail_bytes = 8U << 20;   ///< of the log that are kept in memory for the followers
  std::size_t apply_bytes = 4U << 20;  ///< of entries that are applied as one batch
  std::uint64_t joining_lag = 1000;    ///< operations by which a copy that joins may be behind
  std::uint64_t retention_bytes = 512ULL << 20;
  std::chrono::hours retention{12};
};

/// Time as the groups see it. Thread-safe.
class Timepiece {
 public:
  using Point = std::chrono::steady_clock::time_point;
  virtual ~Timepiece() = default;
  virtual Point now() const = 0;
  virtual std::int64_t wall_ms() const = 0;  ///< since 1970
};

/// What became of a proposed command.
struct ProposalResult {
  enum class Outcome : std::uint8_t { kCommitted, kRefused, kUnknown };
  Outcome outcome = Outcome::kUnknown;
  /// The shard as the metadata has it after the answer, if that is known.
  std::optional<cluster::ShardPlacement> placement;
};

/// What a group needs of its node. All of it is thread-safe. The clock, the lanes, lease_valid, node_dead and
/// storage_full are asked under the group's locks: they only look or queue, and never call back or run a task at once.
/// All others are called without a lock.
struct GroupPorts {
  using Task = std::function<void()>;

  peer::ReplicationDirectory* directory = nullptr;
  const Timepiece* clock = nullptr;
  /// Queue a task; false when the lane is full, and it is tried again later. A task of `apply_lane` may wait for the
  /// writers of its shard, which may wait for tasks of `disk_lane`: they must not share threads.
  std::function<bool(Task)> disk_lane;
  std::function<bool(Task)> apply_lane;
  /// Does not block; answers exactly once, perhaps before it returns.
  std::function<void(const cluster::MetadataCommand&, std::function<void(const ProposalResult&)>)> propose;
  /// This node may still acknowledge: nobody has been promoted in its place.
  std::function<bool()> lease_valid;
  /// The metadata says that no lease of that node is valid.
  std::function<bool(const NodeId&)> node_dead = [](const NodeId&) { return false; };
  std::function<bool()> storage_full;
  /// How much of the `own` bytes of its log a group may keep for others: all logs of a node share what it has for them.
  std::function<std::uint64_t(std::uint64_t own)> log_share = [](std::uint64_t own) { return own; };
  /// The copy must be replaced by a checkpoint from `primary` (checkpoint_receiver.hpp), and confirms nothing until it
  /// is, or until checkpoint_failed(). Does not block; asked again and again until then, also while it runs.
  std::function<void(const NodeId& primary, std::uint64_t term)> fetch_checkpoint;
  /// The points of this copy and the results that it remembers, as of one moment: Database::read_checkpoint.
  std::function<Result<void>(const std::function<Result<void>(storage::SequenceNumber)>& begin,
                             const std::function<Result<void>(storage::StoredPoint&&)>& visit,
                             const std::function<Result<void>(storage::StoredWrite&&)>& visit_result)>
      read_points;
};

/// Which copy a group is.
struct CopyIdentity {
  ShardId shard;
  std::uint64_t copy = 0;
  NodeId node;
};

enum class ReadConsistency : std::uint8_t {
  kAny,      ///< what this copy has applied: committed, perhaps a little old
  kPrimary,  ///< everything acknowledged; the caller asks again after the read, because the lease may end in between
};

/// One follower as its primary sees it.
struct FollowerStats {
  std::uint64_t copy = 0;
  NodeId node;
  bool required = false;
  std::uint64_t lag_operations = 0;
  double lag_seconds = 0;  ///< since it had everything
};
struct GroupStats {
  bool leading = false;
  bool open = false;
  std::size_t in_sync = 0;
  std::uint32_t min_in_sync = 1;
  std::uint64_t promotions = 0;  ///< terms that this copy has begun to lead
  std::uint64_t fenced = 0;      ///< terms that it stopped leading
  std::uint64_t log_bytes = 0;
  std::vector<FollowerStats> followers;
};

/// Applies committed changes to the shard: Shard::apply.
using ApplyChanges = std::function<Result<void>(std::span<const storage::StoredWrite>)>;
/// The saved index file of the shard, if there is one: follows the points of a checkpoint.
using SavedIndexFile = std::function<std::optional<std::string>()>;

/// One copy of a replicated shard: primary or follower, as the metadata says (docs/replication.md).
///
///   open() -> store() -> open_shard(store) -> attach() -> reconcile() for each new metadata; tick() often; stop()
///
/// Thread-safe. A write blocks in the store that the group decorates; nothing else blocks for longer than a disk takes.
class ReplicaGroup {
 public:
  /// The copy continues from what its log and its points say. A copy that says nothing is taken as empty: the caller
  /// knows that it may be. Fails when they contradict each other.
  static Result<std::shared_ptr<ReplicaGroup>> open(CopyIdentity identity, std::unique_ptr<storage::OperationLog> log,
                                                    std::unique_ptr<storage::ShardStore> points,
                                                    const cluster::ShardPlacement& placement,
                                                    ReplicationOptions options, GroupPorts ports);
  virtual ~ReplicaGroup() = default;

  /// What to open the shard with: writes are committed before they are stored. The group lives as long as it does.
  virtual std::unique_ptr<storage::ShardStore> store() = 0;
  /// Begins to apply. Both are called until stop() has returned, and not later.
  virtual void attach(ApplyChanges apply, SavedIndexFile saved_index) = 0;

  /// The shard as the committed metadata has it; older ones are ignored.
  virtual void reconcile(const cluster::ShardPlacement& placement) = 0;
  /// Beats, retries, changes of the in-sync set, pruning. Does not block.
  virtual void tick() = 0;

  virtual peer::ReplicateReply handle(const peer::ReplicateRequest& request) = 0;
  /// The checkpoint that was asked for did not come: the copy goes on with what it has.
  virtual void checkpoint_failed() = 0;
  /// As the primary of `term`: blocks until the sink has everything.
  virtual Result<void> send_checkpoint(std::uint64_t term, peer::CheckpointSink& sink) = 0;

  virtual Result<void> readable(ReadConsistency consistency) const = 0;
  /// Waits, at most for `timeout`, until what is applied here includes `position`. session_lost at a primary that can
  /// never have it; shard_unavailable where another copy may do better.
  virtual Result<void> wait_applied(const LogPosition& position, milliseconds timeout) const = 0;

  /// Before a planned change of the primary: refuses new writes, waits until nothing is pending, stops serving. Undone
  /// by the next term only, or by resume().
  virtual Result<void> hand_over(milliseconds timeout) = 0;
  virtual void resume() = 0;

  virtual peer::CopyStatus status() const = 0;
  /// Why the copy does not work; empty when it does.
  virtual std::string problem() const = 0;
  virtual GroupStats stats() const = 0;
  /// Ends waiting writes; no port is called after it has returned.
  virtual void stop() = 0;
  /// The copy is damaged: it leads, follows, answers and is copied from no more, for good.
  virtual void quarantine(const std::string& why) = 0;
};

}  // namespace vectorizer::replication
