#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/request_id.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::shard {

using WriteResult = Result<std::vector<WriteOutcome>>;

/// One call of write() that waits for its outcome.
struct PendingWrite {
  std::span<const WriteOp> ops;
  std::optional<RequestStamp> stamp;
  bool replayed = false;  ///< the result is of an earlier write of the same request
  WriteResult result = std::vector<WriteOutcome>{};
};

/// Group commit as in LevelDB: writers line up, the front one commits its own operations and those of everybody who
/// queued behind it, in order, and hands out the results. While it waits for the disk, the next group gathers.
///
/// Thread-safe.
class WriteQueue {
 public:
  using Commit = std::function<void(std::span<PendingWrite* const>)>;
  /// Bounds of a group, so that the first in it does not wait for everything that comes; one writer alone may exceed
  /// them.
  static constexpr std::size_t kMaxGroupOps = 4096;
  static constexpr std::size_t kMaxGroupBytes = std::size_t{8} << 20;

  explicit WriteQueue(Commit commit) : commit_(std::move(commit)) {}

  WriteResult submit(std::span<const WriteOp> ops, const std::optional<RequestStamp>& stamp = std::nullopt);
  /// Writers that wait, and those of the group that is being committed.
  std::size_t depth() const;

 private:
  struct Waiting {
    PendingWrite write;
    std::size_t bytes = 0;
    bool done = false;
    std::condition_variable turn;  // it is done, or the front
  };
  std::vector<PendingWrite*> front_group() const;

  const Commit commit_;
  mutable std::mutex mutex_;
  std::deque<Waiting*> queue_;
};

}  // namespace vectorizer::shard
