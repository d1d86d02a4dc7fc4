#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "in_sync_set.hpp"
#include "tail.hpp"
#include "vectorizer/replication/replica_group.hpp"

namespace vectorizer::replication {

/// The implementation of a group: what it shares and its life (group_core.cpp), leading (primary.cpp), following
/// (follower.cpp), what waits in the shard's store (replicated_store.cpp), checkpoints (checkpoint_source.cpp).
///
/// Locks, in order: log_mutex_ serialises whoever changes the log and is held while the disk works; mutex_ guards the
/// rest and is never held during I/O or a call of a port. No lock is held while the shard applies.
class GroupCore final : public ReplicaGroup, public std::enable_shared_from_this<GroupCore> {
 public:
  GroupCore(CopyIdentity identity, std::unique_ptr<storage::OperationLog> log,
            std::unique_ptr<storage::ShardStore> points, const cluster::ShardPlacement& placement,
            const ReplicationOptions& options, GroupPorts ports);

  std::unique_ptr<storage::ShardStore> store() override;
  void attach(ApplyChanges apply, SavedIndexFile saved_index) override;
  void reconcile(const cluster::ShardPlacement& placement) override;
  void tick() override;
  peer::ReplicateReply handle(const peer::ReplicateRequest& request) override;
  void checkpoint_failed() override;
  Result<void> send_checkpoint(std::uint64_t term, peer::CheckpointSink& sink) override;
  Result<void> readable(ReadConsistency consistency) const override;
  Result<void> wait_applied(const LogPosition& position, milliseconds timeout) const override;
  Result<void> hand_over(milliseconds timeout) override;
  void resume() override;
  void quarantine(const std::string& why) override;
  peer::CopyStatus status() const override;
  std::string problem() const override;
  GroupStats stats() const override;
  void stop() override;

  /// Terms up to here are not led by this copy.
  void block_terms(std::uint64_t term) { blocked_term_ = term; }

  // For the shard's store.
  storage::ShardStore& points() { return *points_; }
  const storage::ShardStore& points() const { return *points_; }
  std::uint64_t last_sequence() const;
  Result<std::vector<storage::StoredWrite>> settle();
  Result<void> write(std::span<const storage::StoredWrite> writes);

  // For tests that cannot wait: the steps of a write.
  struct Ticket {
    std::uint64_t term = 0;
    std::uint64_t sequence = 0;
  };
  enum class Decision : std::uint8_t { kPending, kCommitted, kUnknown };
  /// Logs the writes and sends them to the followers; an error means that they are nowhere, unless its details say that
  /// the outcome is unknown.
  Result<Ticket> begin_write(std::span<const storage::StoredWrite> writes);
  Decision decision(const Ticket& ticket) const;
  /// Whether what is committed may be acknowledged now.
  Result<void> acknowledgeable() const;
  /// Decided writes go to the points.
  Result<void> store_decided(std::span<const storage::StoredWrite> writes);
  std::uint64_t committed() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  /// A request that is sent once mutex_ is free.
  struct Outgoing {
    NodeId node;
    std::uint64_t copy = 0;
    std::uint64_t request = 0;
    LogPosition through;
    peer::ReplicateRequest message;
  };

  // Of both roles, mutex_ held.
  bool leads() const { return leading_ && !stopping_ && problem_.empty(); }
  const cluster::CopyRecord* own_record() const { return placement_.copy(identity_.copy); }
  void fence(const std::string& why);
  void fail(const std::string& why);
  void note_commit(std::uint64_t commit);
  Error unavailable(const std::string& why) const;
  /// This copy answers as the primary now.
  Result<void> answers_as_primary() const;

  void note_applied(std::uint64_t sequence);
  void schedule_apply();
  void apply_backlog();
  /// One batch; false when there is nothing left, or it did not work.
  bool apply_some();
  /// Entries after `from` up to `to`, from memory or the disk.
  Result<std::vector<LogEntry>> entries_between(std::uint64_t from, std::uint64_t to, std::size_t max_bytes);
  void schedule_prune();
  void prune();

  // Primary.
  void maybe_lead();
  void lead(std::uint64_t term);
  void update_followers();
  void advance_commit();
  std::vector<Outgoing> due_requests(bool only_entries);
  std::optional<Outgoing> request_for(Follower& follower, Timepiece::Point now, bool only_entries);
  Outgoing make_request(Follower& follower, std::vector<LogEntry> entries);
  void read_for(std::uint64_t copy, std::uint64_t request, LogPosition from);
  void send(std::vector<Outgoing> requests);
  void on_reply(std::uint64_t copy, std::uint64_t request, const LogPosition& through,
                const Result<peer::ReplicateReply>& reply);
  void take_reply(Follower& follower, const LogPosition& through, const peer::ReplicateReply& reply);
  void take_mismatch(Follower& follower, const peer::ReplicateReply& reply);
  Result<void> log_own(const LogEntry& entry, std::uint64_t term);
  Result<void> wait_committed(const Ticket& ticket);
  Result<void> check_writable() const;
  void propose_changes();
  void on_proposal(std::uint64_t term, const cluster::MetadataCommand& command, const ProposalResult& result);
  Timepiece::Point proposals_after_{};

  Result<std::pair<std::uint64_t, std::string>> begin_checkpoint(std::uint64_t term);
  Result<void> stream_checkpoint(std::uint64_t pin, const std::string& index_path, peer::CheckpointSink& sink);

  // Follower.
  Result<void> adopt_term(std::uint64_t term, const NodeId& primary);
  peer::ReplicateReply accept(const peer::ReplicateRequest& request);
  Result<void> append_new(const peer::ReplicateRequest& request, std::size_t first_new);
  peer::ReplicateReply reply_of(peer::ReplicateReply::Outcome outcome) const;

  const CopyIdentity identity_;
  const ReplicationOptions options_;
  const GroupPorts ports_;
  const std::unique_ptr<storage::OperationLog> log_;
  const std::unique_ptr<storage::ShardStore> points_;

  std::mutex log_mutex_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;  // commit, applied, the role, or stopping
  cluster::ShardPlacement placement_;
  std::string problem_;
  bool stopping_ = false;
  ApplyChanges apply_;
  SavedIndexFile saved_index_;
  std::uint64_t commit_ = 0;
  std::uint64_t applied_ = 0;
  std::uint64_t synced_applied_ = 0;
  bool applying_ = false;
  std::uint64_t shown_ = 0;  // readers see what the lane has applied up to here
  std::thread::id applier_;  // whose writes are decided ones
  std::size_t busy_ = 0;     // tasks and calls that use the ports or the shard; stop() waits for them

  // As a primary.
  bool leading_ = false;
  bool lead_queued_ = false;
  bool open_ = false;
  bool handing_over_ = false;
  std::uint64_t term_ = 0;          // that is led, or was
  std::uint64_t blocked_term_ = 0;  // terms up to here are not led again
  std::uint64_t opening_ = 0;       // the sequence of the no-op
  // The last settle(): writes up to there are decided, and in this term others may follow. The shard lets nobody else
  // write between a settle() and the write after it.
  std::uint64_t settled_term_ = 0;
  std::uint64_t settled_to_ = 0;
  LogPosition last_;           // of the log, with what is still being written to it
  std::uint64_t durable_ = 0;  // on this disk
  Tail tail_;
  InSyncSet followers_;
  std::uint64_t next_request_ = 1;
  struct Pin {
    std::uint64_t sequence = 0;
    std::optional<Timepiece::Point> until;  // none while it is being read
  };
  std::map<std::uint64_t, Pin> pins_;
  std::uint64_t next_pin_ = 1;
  std::size_t waiting_writes_ = 0;
  std::uint64_t promotions_ = 0;
  std::uint64_t fenced_ = 0;

  // As a follower.
  std::optional<Timepiece::Point> heard_at_;
  std::optional<Timepiece::Point> ticked_at_;
  bool stood_still_ = false;   // for so long that what it hears may be of before; until this node has a lease
  bool fetching_ = false;      // a checkpoint: what is confirmed now would be lost with this copy
  bool log_is_known_ = false;  // to a primary that wants it replaced; log_mutex_
  bool log_broken_ = false;    // an append failed: what it left is not to be trusted; log_mutex_

  Timepiece::Point pruned_at_{};
  bool pruning_ = false;

  friend class BusyScope;
};

}  // namespace vectorizer::replication
