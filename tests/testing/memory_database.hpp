#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "testing/memory_operation_log.hpp"
#include "testing/memory_shard_store.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::testing {

/// The Database contract without RocksDB; outlives the daemon parts that a test opens and closes on it. Thread-safe.
class MemoryDatabase final : public storage::Database {
 public:
  std::unique_ptr<storage::ShardStore> open_store(storage::CopyNumber copy) override {
    const std::lock_guard lock(mutex_);
    auto& disk = disks_[copy];
    if (!disk) disk = std::make_shared<MemoryDisk>();
    return std::make_unique<MemoryShardStore>(disk);
  }
  std::unique_ptr<storage::ShardStore> open_logged_store(storage::CopyNumber copy) override {
    auto store = open_store(copy);
    const std::lock_guard lock(mutex_);
    disks_.at(copy)->set_sync_always(false);
    return store;
  }
  Result<std::unique_ptr<storage::OperationLog>> open_log(storage::CopyNumber copy) override {
    const std::lock_guard lock(mutex_);
    auto& log = logs_[copy];
    if (!log) log = std::make_shared<MemoryLogDisk>();
    auto& points = disks_[copy];
    if (!points) points = std::make_shared<MemoryDisk>();
    return std::unique_ptr<storage::OperationLog>(std::make_unique<MemoryOperationLog>(log, points));
  }
  Result<void> read_checkpoint(storage::CopyNumber copy,
                               const std::function<Result<void>(storage::SequenceNumber)>& begin,
                               const std::function<Result<void>(storage::StoredPoint&&)>& visit,
                               const std::function<Result<void>(storage::StoredWrite&&)>& visit_result) const override {
    std::shared_ptr<MemoryDisk> disk;
    {
      const std::lock_guard lock(mutex_);
      const auto found = disks_.find(copy);
      if (found == disks_.end()) return Error{ErrorType::kInternal, "no such copy"};
      disk = found->second;
    }
    auto [sequence, points] = disk->contents();
    RETURN_IF_ERROR(begin(sequence));
    for (auto& point : points) RETURN_IF_ERROR(visit(std::move(point)));
    if (!visit_result) return {};
    for (auto& result : disk->results()) RETURN_IF_ERROR(visit_result(std::move(result)));
    return {};
  }
  Result<void> read_range(storage::CopyNumber copy, const std::optional<PointId>& after,
                          const std::function<Result<void>(storage::SequenceNumber)>& begin,
                          const std::function<Result<bool>(storage::StoredPoint&&)>& visit) const override {
    std::shared_ptr<MemoryDisk> disk;
    {
      const std::lock_guard lock(mutex_);
      const auto found = disks_.find(copy);
      if (found == disks_.end()) return Error{ErrorType::kInternal, "no such copy"};
      disk = found->second;
    }
    auto [sequence, points] = disk->contents();
    RETURN_IF_ERROR(begin(sequence));
    for (auto& point : points) {
      if (after && !(*after < point.point.id)) continue;
      ASSIGN_OR_RETURN(const bool more, visit(std::move(point)));
      if (!more) break;
    }
    return {};
  }
  void watch_damage(storage::DamageWatcher watcher) override {
    const std::lock_guard lock(mutex_);
    watcher_ = std::move(watcher);
  }
  /// As a read that finds it.
  void find_damage(std::optional<storage::CopyNumber> copy) {
    const std::lock_guard lock(mutex_);
    if (watcher_) watcher_(copy, "a checksum is wrong");
  }
  /// Another content of a point, as no checksum tells.
  void alter(storage::CopyNumber copy, const PointId& id) {
    const std::lock_guard lock(mutex_);
    disks_.at(copy)->alter(id);
  }
  Result<void> drop_store(storage::CopyNumber copy) override {
    const std::lock_guard lock(mutex_);
    disks_.erase(copy);
    logs_.erase(copy);
    return {};
  }
  Result<void> put_local(const std::string& key, const std::string& value) override {
    const storage::LocalWrite write{key, value};
    return write_local({&write, 1});
  }
  Result<void> delete_local(const std::string& key) override {
    const storage::LocalWrite write{key, std::nullopt};
    return write_local({&write, 1});
  }
  Result<void> write_local(std::span<const storage::LocalWrite> writes) override {
    const std::lock_guard lock(mutex_);
    if (fail_local_) return Error{ErrorType::kInternal, "the disk refused"};
    for (const auto& write : writes) {
      if (write.value) {
        local_[write.key] = *write.value;
      } else {
        local_.erase(write.key);
      }
    }
    return {};
  }
  Result<std::optional<std::string>> get_local(const std::string& key) const override {
    const std::lock_guard lock(mutex_);
    const auto found = local_.find(key);
    return found == local_.end() ? std::nullopt : std::optional<std::string>(found->second);
  }
  Result<std::vector<std::pair<std::string, std::string>>> list_local(const std::string& prefix) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, std::string>> found;
    for (auto it = local_.lower_bound(prefix); it != local_.end() && it->first.starts_with(prefix); ++it) {
      found.push_back(*it);
    }
    return found;
  }
  std::uint64_t disk_free_bytes() const override { return 1ULL << 40; }
  bool storage_full() const override { return false; }

  /// A power cut, for copies with a log.
  void lose_unsynced() {
    const std::lock_guard lock(mutex_);
    for (auto& [copy, disk] : disks_) disk->lose_unsynced();
    for (auto& [copy, disk] : logs_) disk->lose_unsynced();
  }
  std::shared_ptr<MemoryLogDisk> log_disk(storage::CopyNumber copy) {
    const std::lock_guard lock(mutex_);
    return logs_.at(copy);
  }
  /// For the copies that there are.
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    for (auto& [copy, disk] : disks_) disk->set_full(full);
  }
  std::size_t stores() const {
    const std::lock_guard lock(mutex_);
    return disks_.size();
  }
  void fail_local_writes(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_local_ = fail;
  }

 private:
  mutable std::mutex mutex_;
  std::map<storage::CopyNumber, std::shared_ptr<MemoryDisk>> disks_;
  std::map<storage::CopyNumber, std::shared_ptr<MemoryLogDisk>> logs_;
  std::map<std::string, std::string> local_;
  storage::DamageWatcher watcher_;
  bool fail_local_ = false;
};

}  // namespace vectorizer::testing
