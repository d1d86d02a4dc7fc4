#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::testing {

/// What survives a store: hand the same disk to a second MemoryShardStore to reopen a shard. Loses power and fails
/// writes on demand. Thread-safe.
class MemoryDisk {
 public:
  /// With false, writes stay unsynced until sync().
  void set_sync_always(bool always) {
    const std::lock_guard lock(mutex_);
    if (always && !sync_always_) synced_ = current_;  // a synced write makes everything before it durable too
    sync_always_ = always;
  }
  void sync() {
    const std::lock_guard lock(mutex_);
    synced_ = current_;
  }
  /// A power cut: what was written since the last sync is gone.
  void lose_unsynced() {
    const std::lock_guard lock(mutex_);
    current_ = synced_;
  }
  /// The next write returns `error` and changes nothing.
  void fail_next_write(Error error) {
    const std::lock_guard lock(mutex_);
    next_error_ = std::move(error);
  }
  /// The sequence and the points, as of one moment.
  std::pair<storage::SequenceNumber, std::vector<storage::StoredPoint>> contents() const {
    const std::lock_guard lock(mutex_);
    std::vector<storage::StoredPoint> points;
    for (const auto& [id, point] : current_.points) points.push_back(point);
    return {current_.sequence, std::move(points)};
  }
  /// The point has another content, by no write.
  void alter(const PointId& id) {
    const std::lock_guard lock(mutex_);
    current_.points.at(id).point.vector.at(0) += 1;
    synced_ = current_;
  }
  /// The results of writes, in order.
  std::vector<storage::StoredWrite> results() const {
    const std::lock_guard lock(mutex_);
    std::vector<storage::StoredWrite> found;
    for (const auto& [sequence, write] : current_.results) found.push_back(write);
    return found;
  }
  /// For a received checkpoint: the points count as applied up to `sequence`.
  void set_sequence(storage::SequenceNumber sequence) {
    const std::lock_guard lock(mutex_);
    current_.sequence = synced_.sequence = sequence;
  }
  /// A full disk has no room beside what is written (has_room_for); writes still succeed.
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  /// Batches written, including the failed ones: what group commit saved.
  std::size_t write_calls() const {
    const std::lock_guard lock(mutex_);
    return write_calls_;
  }

 private:
  friend class MemoryShardStore;
  struct State {
    std::map<PointId, storage::StoredPoint> points;
    std::map<storage::SequenceNumber, storage::StoredWrite> results;
    storage::SequenceNumber sequence = 0;
  };

  mutable std::mutex mutex_;
  State current_;
  State synced_;
  bool sync_always_ = true;
  bool full_ = false;
  std::optional<Error> next_error_;
  std::size_t write_calls_ = 0;
};

/// The ShardStore contract without RocksDB, for tests of what stands on it.
class MemoryShardStore final : public storage::ShardStore {
 public:
  explicit MemoryShardStore(std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>())
      : disk_(std::move(disk)) {}

  MemoryDisk& disk() { return *disk_; }

  Result<void> write(std::span<const storage::StoredWrite> writes) override {
    const std::lock_guard lock(disk_->mutex_);
    ++disk_->write_calls_;
    if (disk_->next_error_) return *std::exchange(disk_->next_error_, std::nullopt);
    for (const auto& change : writes) {
      apply(disk_->current_, change);
      if (disk_->sync_always_) apply(disk_->synced_, change);
    }
    return {};
  }

  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override {
    const std::lock_guard lock(disk_->mutex_);
    return find(id);
  }

  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    const std::lock_guard lock(disk_->mutex_);
    std::vector<std::optional<storage::StoredPoint>> found;
    found.reserve(ids.size());
    for (const auto& id : ids) found.push_back(find(id));
    return found;
  }

  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(storage::StoredPoint&&)>& visit) const override {
    std::vector<storage::StoredPoint> points;  // a snapshot: `visit` may call back into the store
    {
      const std::lock_guard lock(disk_->mutex_);
      const auto& all = disk_->current_.points;
      for (auto it = after ? all.upper_bound(*after) : all.begin(); it != all.end(); ++it) points.push_back(it->second);
    }
    for (auto& point : points) {
      if (!visit(std::move(point))) break;
    }
    return {};
  }

  Result<std::optional<RequestResult>> find_result(const RequestId& id) const override {
    const std::lock_guard lock(disk_->mutex_);
    for (const auto& [sequence, write] : disk_->current_.results) {
      if (write.result->stamp.id == id) return write.result;
    }
    return std::optional<RequestResult>();
  }
  storage::SequenceNumber applied_sequence() const override {
    const std::lock_guard lock(disk_->mutex_);
    return disk_->current_.sequence;
  }

  bool has_room_for(std::uint64_t bytes) const override {
    const std::lock_guard lock(disk_->mutex_);
    return !disk_->full_ || bytes == 0;
  }

 private:
  static void apply(MemoryDisk::State& state, const storage::StoredWrite& change) {
    if (change.result) {
      state.results[change.sequence] = change;
    } else if (change.deleted) {
      state.points.erase(change.point.id);
    } else {
      state.points[change.point.id] = storage::StoredPoint{change.point, change.sequence};
    }
    state.sequence = change.sequence;
  }

  std::optional<storage::StoredPoint> find(const PointId& id) const {
    const auto found = disk_->current_.points.find(id);
    if (found == disk_->current_.points.end()) return std::nullopt;
    return found->second;
  }

  std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace vectorizer::testing
