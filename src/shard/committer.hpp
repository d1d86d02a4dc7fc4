#pragma once

#include <span>
#include <vector>

#include "resolver.hpp"
#include "shard_state.hpp"

namespace vectorizer::shard {

/// Makes a group of writes durable and visible: resolves them in order, stores them in one batch, applies the results.
///
/// One group at a time: the write queue sees to it.
class Committer {
 public:
  explicit Committer(ShardState& state) : state_(state) {}

  void commit(std::span<PendingWrite* const> group);
  /// Stores and applies physical writes in order, without those that the store already has.
  Result<void> apply_stored(std::span<const storage::StoredWrite> writes);

 private:
  /// Those that were not done before. What was gets its result; one that is twice in the group goes to `later`.
  Result<std::vector<PendingWrite*>> without_known(std::span<PendingWrite* const> group,
                                                   std::vector<PendingWrite*>& later) const;
  Result<void> commit_together(std::span<PendingWrite* const> group);
  /// One batch for each, where together they fail.
  void commit_each(std::span<PendingWrite* const> group);
  /// Makes the final writes of a batch visible. `stored` has the long payloads of what they replace. Without memory the
  /// process ends here: what is stored is recovered, but slots that only the index has would shift all later ones.
  void apply(std::span<const storage::StoredWrite* const> writes, const PointsById& stored) noexcept;
  /// Before anything is resolved: no earlier write is left undecided, none that is decided is left out.
  Result<void> settle();
  Result<void> store_and_apply(std::span<const storage::StoredWrite> writes);
  /// One batch. If its outcome is unknown, memory is made to agree with the store.
  Result<void> store(std::span<const storage::StoredWrite> writes,
                     std::span<const storage::StoredWrite* const> final_writes);
  /// After a batch of unknown outcome: makes what the store says about its ids visible.
  Result<void> reconcile();

  ShardState& state_;
  std::vector<PointId> doubtful_;  // ids of batches whose outcome is unknown
};

}  // namespace vectorizer::shard
