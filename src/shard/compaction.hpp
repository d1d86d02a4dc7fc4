#pragma once

#include <memory>

#include "shard_state.hpp"

namespace vectorizer::shard {

/// Builds a new generation from the live points beside the one that serves, slice by slice, follows the writes that
/// come meanwhile, and swaps. Gets rid of tombstones, and puts changed index options into effect.
///
/// One at a time, driven by one thread; abandoning it (destroying it) leaves the serving generation as it was.
class Compaction {
 public:
  enum class Progress { kMore, kDone };

  explicit Compaction(ShardState& state);
  ~Compaction();
  Compaction(const Compaction&) = delete;
  Compaction& operator=(const Compaction&) = delete;

  /// A bounded piece of work. An error means that it cannot go on.
  Result<Progress> step(std::size_t max_vectors);

 private:
  void drop_removed();
  void drop(const PointId& id, SequenceNumber sequence);
  /// Copies up to `max` points; false when the store had another version of one of them.
  Result<bool> copy(std::size_t max);
  Result<Progress> swap_in();
  bool caught_up() const;

  ShardState& state_;
  std::shared_ptr<Generation> from_;
  std::shared_ptr<Generation>
      to_;                // filled by this thread only until it is swapped in; others may help to build its graph
  Slot cursor_ = 0;       // slots of from_ below are copied
  bool rebuild_ = false;  // it was asked for; asked for again if it is abandoned
};

}  // namespace vectorizer::shard
