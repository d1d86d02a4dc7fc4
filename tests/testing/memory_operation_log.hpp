#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "testing/memory_shard_store.hpp"
#include "vectorizer/storage/operation_log.hpp"

namespace vectorizer::testing {

/// What survives a log in memory. With `sync_always` off, appends wait for sync(). Thread-safe.
class MemoryLogDisk {
 public:
  void set_sync_always(bool always) {
    const std::lock_guard lock(mutex_);
    sync_always_ = always;
    if (always) synced_ = current_;
  }
  void sync() {
    const std::lock_guard lock(mutex_);
    synced_ = current_;
  }
  void lose_unsynced() {
    const std::lock_guard lock(mutex_);
    current_ = synced_;
  }
  /// The next append fails; it is in the log all the same if `written`.
  void fail_next_append(bool written) {
    const std::lock_guard lock(mutex_);
    fail_next_append_ = written;
  }

 private:
  friend class MemoryOperationLog;
  struct Kept {
    LogEntry entry;
    std::int64_t appended_ms = 0;
  };
  struct State {
    std::map<std::uint64_t, Kept> entries;  // by last
    LogPosition base;
    std::uint64_t term = 0;
  };

  mutable std::mutex mutex_;
  State current_;
  State synced_;
  bool sync_always_ = true;
  std::optional<bool> fail_next_append_;
};

/// The OperationLog contract without RocksDB.
class MemoryOperationLog final : public storage::OperationLog {
 public:
  /// @param points of the same copy: what is written there is synced by whatever is synced here later, as with one
  /// write-ahead log; null for none.
  explicit MemoryOperationLog(std::shared_ptr<MemoryLogDisk> disk = std::make_shared<MemoryLogDisk>(),
                              std::shared_ptr<MemoryDisk> points = nullptr)
      : disk_(std::move(disk)), points_(std::move(points)) {}

  LogPosition base() const override {
    const std::lock_guard lock(disk_->mutex_);
    return disk_->current_.base;
  }
  LogPosition last() const override {
    const std::lock_guard lock(disk_->mutex_);
    return end();
  }
  std::uint64_t term() const override {
    const std::lock_guard lock(disk_->mutex_);
    return disk_->current_.term;
  }
  std::vector<TermStart> terms() const override {
    const std::lock_guard lock(disk_->mutex_);
    std::vector<TermStart> terms;
    const auto& state = disk_->current_;
    if (state.base.sequence > 0) terms.push_back({state.base.term, state.base.sequence});
    for (const auto& [last, kept] : state.entries) {
      if (terms.empty() || terms.back().term != kept.entry.term) terms.push_back({kept.entry.term, kept.entry.first});
    }
    return terms;
  }
  Result<bool> contains(const LogPosition& position) const override {
    const std::lock_guard lock(disk_->mutex_);
    if (position == disk_->current_.base) return true;
    const auto found = disk_->current_.entries.find(position.sequence);
    return found != disk_->current_.entries.end() && found->second.entry.term == position.term;
  }
  Result<std::vector<LogEntry>> read(std::uint64_t sequence, std::size_t max_bytes) const override {
    const std::lock_guard lock(disk_->mutex_);
    std::vector<LogEntry> entries;
    std::size_t bytes = 0;
    for (auto it = disk_->current_.entries.upper_bound(sequence); it != disk_->current_.entries.end(); ++it) {
      const LogEntry& entry = it->second.entry;
      if (entry.first != (entries.empty() ? sequence : entries.back().last) + 1) {
        return Error{ErrorType::kInternal, "the log has a gap"};
      }
      if (!entries.empty() && bytes + entry.bytes.size() > max_bytes) break;
      bytes += entry.bytes.size();
      entries.push_back(entry);
    }
    return entries;
  }
  std::uint64_t bytes() const override {
    const std::lock_guard lock(disk_->mutex_);
    return size();
  }

  Result<void> append(std::span<const LogEntry> entries, std::int64_t now_ms) override {
    const std::lock_guard lock(disk_->mutex_);
    if (doubtful_) return Error{ErrorType::kInternal, "the end of the log is not known"};
    auto next = disk_->current_;
    LogPosition after = end();
    for (const LogEntry& entry : entries) {
      if (entry.first != after.sequence + 1 || entry.last < entry.first || entry.term < after.term) {
        return Error{ErrorType::kInternal, "an entry does not follow the log"};
      }
      after = entry.position();
      next.entries[entry.last] = {entry, now_ms};
      next.term = std::max(next.term, entry.term);
    }
    const auto failure = std::exchange(disk_->fail_next_append_, std::nullopt);
    if (!failure || *failure) store(std::move(next), disk_->sync_always_);
    if (!failure) return {};
    doubtful_ = true;
    return Error{ErrorType::kInternal, "the disk refused"};
  }
  Result<void> truncate_after(std::uint64_t sequence) override {
    const std::lock_guard lock(disk_->mutex_);
    auto next = disk_->current_;
    next.entries.erase(next.entries.upper_bound(sequence), next.entries.end());
    store(std::move(next), disk_->sync_always_);
    doubtful_ = false;
    return {};
  }
  Result<void> set_term(std::uint64_t term) override {
    const std::lock_guard lock(disk_->mutex_);
    auto next = disk_->current_;
    next.term = std::max(next.term, term);
    store(std::move(next), true);
    return {};
  }
  Result<std::size_t> prune(const storage::PrunePolicy& policy) override {
    const std::lock_guard lock(disk_->mutex_);
    auto& state = disk_->current_;
    std::size_t pruned = 0;
    while (!state.entries.empty()) {
      const auto& [last, kept] = *state.entries.begin();
      if (last > policy.limit) break;
      if (last > policy.needed_after && size() <= policy.keep_bytes && kept.appended_ms >= policy.keep_after_ms) break;
      state.base = kept.entry.position();
      state.entries.erase(state.entries.begin());
      ++pruned;
    }
    if (disk_->sync_always_) disk_->synced_ = state;
    return pruned;
  }
  Result<void> begin_at(const LogPosition& at, std::uint64_t term) override {
    const std::lock_guard lock(disk_->mutex_);
    auto next = disk_->current_;
    if (end() != LogPosition{}) return Error{ErrorType::kInternal, "the log is not new"};
    if (points_) points_->set_sequence(at.sequence);
    next.base = at;
    next.term = std::max(term, at.term);
    store(std::move(next), true);
    return {};
  }

 private:
  LogPosition end() const {
    const auto& state = disk_->current_;
    return state.entries.empty() ? state.base : state.entries.rbegin()->second.entry.position();
  }
  std::uint64_t size() const {
    std::uint64_t bytes = 0;
    for (const auto& [last, kept] : disk_->current_.entries) bytes += kept.entry.bytes.size();
    return bytes;
  }
  void store(MemoryLogDisk::State next, bool sync) {
    disk_->current_ = std::move(next);
    if (!sync) return;
    disk_->synced_ = disk_->current_;
    if (points_) points_->sync();
  }

  const std::shared_ptr<MemoryLogDisk> disk_;
  const std::shared_ptr<MemoryDisk> points_;
  bool doubtful_ = false;
};

}  // namespace vectorizer::testing
