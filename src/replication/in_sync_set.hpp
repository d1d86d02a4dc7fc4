#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/cluster/shard_placement.hpp"
#include "vectorizer/replication/replica_group.hpp"

namespace vectorizer::replication {

/// A follower as its primary knows it.
struct Follower {
  std::uint64_t copy = 0;
  NodeId node;
  bool in_sync = false;  ///< by the committed metadata
  bool joining = false;  ///< required ahead of its GrowIsr, and until that is known to have failed
  bool matched = false;
  LogPosition next;         ///< what the next request continues; a guess until `matched`
  std::uint64_t match = 0;  ///< durable there, and equal to our log
  bool needs_checkpoint = false;

  bool sending = false;
  std::uint64_t request = 0;
  std::uint64_t told_commit = 0;
  unsigned mismatches = 0;  ///< in a row
  Timepiece::Point sent_at{};
  Timepiece::Point accepted_at{};
  std::optional<Timepiece::Point> unreachable_since{};  ///< nothing while its node answers at all
  bool dead = false;                                    ///< its node, by the metadata
  Timepiece::Point not_before{};
  Timepiece::Point complete_at{};  ///< when it last had everything

  bool required() const { return in_sync || joining; }
};

/// The followers of a primary, who of them must have an operation before it is committed, and the one change of the
/// in-sync set that is under way. Not thread-safe.
///
/// The required set is the in-sync set of the newest committed metadata and whoever may have joined it unseen.
class InSyncSet {
 public:
  using Followers = std::map<std::uint64_t, Follower>;

  /// A proposed command whose outcome is not known yet. It is settled by any placement of a later version.
  struct Change {
    bool grow = false;
    std::uint64_t copy = 0;
    std::uint64_t version = 0;
    bool in_flight = true;
    bool unknown = false;
  };

  void clear();
  /// Takes over a committed placement; new followers start at `end`.
  void update(const cluster::ShardPlacement& placement, std::uint64_t own_copy, const LogPosition& end,
              Timepiece::Point now);
  Followers& followers() { return followers_; }
  const Followers& followers() const { return followers_; }
  Follower* find(std::uint64_t copy);

  /// The last sequence that the required followers and `own` have; nothing while one has not said where it is.
  std::optional<std::uint64_t> committed(std::uint64_t own) const;
  /// How many copies the in-sync set has for sure, the primary included: one that this primary has proposed to remove
  /// may have left it already, and then what it holds does not count.
  std::size_t surely_in_sync() const;
  /// The last sequence that every follower has; 0 while one has not said where it is.
  std::uint64_t on_every_copy(std::uint64_t own) const;

  /// The next command to propose, if any: what became of the last one, a silent copy out, a caught-up one in. A copy
  /// that is to join is required from now on.
  std::optional<cluster::MetadataCommand> next_change(const cluster::ShardPlacement& placement, std::uint64_t commit,
                                                      std::uint64_t last, Timepiece::Point now,
                                                      const ReplicationOptions& options);
  /// The answer to a command of next_change(); of an earlier one it says nothing any more.
  void answered(const cluster::MetadataCommand& command, ProposalResult::Outcome outcome);
  const std::optional<Change>& change() const { return change_; }

 private:
  Follower* silent(Timepiece::Point now, const ReplicationOptions& options);
  Follower* caught_up(std::uint64_t commit, std::uint64_t last, Timepiece::Point now,
                      const ReplicationOptions& options);
  void give_up_joining();

  Followers followers_;  // by copy
  std::optional<Change> change_;
};

}  // namespace vectorizer::replication
