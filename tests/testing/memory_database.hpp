#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
  Result<void> drop_store(storage::CopyNumber copy) override {
    const std::lock_guard lock(mutex_);
    disks_.erase(copy);
    return {};
  }
  Result<void> put_local(const std::string& key, const std::string& value) override {
    const std::lock_guard lock(mutex_);
    if (fail_local_) return Error{ErrorType::kInternal, "the disk refused"};
    local_[key] = value;
    return {};
  }
  Result<void> delete_local(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    local_.erase(key);
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
  std::map<std::string, std::string> local_;
  bool fail_local_ = false;
};

}  // namespace vectorizer::testing
