#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "shard_state.hpp"
#include "vectorizer/model/filter.hpp"

namespace vectorizer::shard {

/// Text that two filters have in common only if they say the same.
std::string filter_key(const Filter& filter);

/// The matches of one filter in id order, handed out page by page, so that n of them are matched and sorted once and
/// not once for each page. Every page is the truth of its moment: what is gone is left out, what came since is let in.
class MatchCursor {
 public:
  /// @param after the first page begins behind it
  static Result<MatchCursor> open(const ShardState& state, const std::shared_ptr<Generation>& generation,
                                  const Filter& filter, std::optional<PointId> after);

  /// Whether it can go on behind `after`.
  bool resumes(const std::shared_ptr<Generation>& generation, const std::string& key,
               const std::optional<PointId>& after) const;
  /// Up to `limit` ids greater than `after`, which is not before that of the last page.
  Result<std::vector<PointId>> page(const ShardState& state, const Generation& generation, const Filter& filter,
                                    const std::optional<PointId>& after, std::size_t limit);
  std::chrono::steady_clock::time_point used() const { return used_; }

 private:
  /// Finds the matches among the slots that came since; no further ones come while the lock is held.
  Result<std::shared_lock<std::shared_mutex>> catch_up(const ShardState& state, const Generation& generation,
                                                       const Filter& filter, const std::optional<PointId>& after);

  std::string key_;
  std::weak_ptr<Generation> generation_;
  std::vector<Slot> slots_;                   // by id
  std::size_t next_ = 0;                      // in slots_: those before are not greater than from_
  std::set<std::pair<PointId, Slot>> fresh_;  // that came after slots_ was made
  std::size_t seen_ = 0;                      // slots that were looked at
  std::optional<PointId> from_;               // the `after` of the last page
  std::chrono::steady_clock::time_point used_ = std::chrono::steady_clock::now();
};

/// The cursors of the latest scans of a shard, so that whoever asks for the next page finds its own. Bounded in number
/// and, by `forget_idle`, in time. Thread-safe.
class MatchCursors {
 public:
  static constexpr std::size_t kMaxKept = 4;
  static constexpr std::chrono::seconds kKeptFor{60};

  explicit MatchCursors(const ShardState& state) : state_(state) {}

  /// Up to `limit` ids greater than `after` for which the filter holds, in id order.
  Result<std::vector<PointId>> matching(const Filter& filter, const std::optional<PointId>& after, std::size_t limit);
  void forget_idle(std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());
  std::size_t kept() const;

 private:
  /// A kept one that can go on there.
  std::optional<MatchCursor> take(const std::shared_ptr<Generation>& generation, const std::string& key,
                                  const std::optional<PointId>& after);

  const ShardState& state_;
  mutable std::mutex mutex_;
  std::list<MatchCursor> kept_;  // the latest first
};

}  // namespace vectorizer::shard
