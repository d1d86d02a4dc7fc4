#pragma once

#include <rocksdb/db.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "damage_reports.hpp"
#include "disk_space.hpp"
#include "lock_file.hpp"
#include "rocks_options.hpp"
#include "vectorizer/storage/database.hpp"
#include "writes_under_way.hpp"

namespace vectorizer::storage {

/// Database over RocksDB. A thread of its own syncs the log in interval mode and keeps the gauges fresh.
class RocksDatabase final : public Database {
 public:
  /// As open_database, with the disk asked through `probe`.
  static Result<std::unique_ptr<RocksDatabase>> open(const DatabaseOptions& options, MetricsRegistry& metrics,
                                                     DiskSpace::Probe probe);
  /// Syncs the log and closes.
  ~RocksDatabase() override;

  std::unique_ptr<ShardStore> open_store(CopyNumber copy) override;
  std::unique_ptr<ShardStore> open_logged_store(CopyNumber copy) override;
  Result<std::unique_ptr<OperationLog>> open_log(CopyNumber copy) override;
  Result<void> read_checkpoint(CopyNumber copy, const std::function<Result<void>(SequenceNumber)>& begin,
                               const std::function<Result<void>(StoredPoint&&)>& visit,
                               const std::function<Result<void>(StoredWrite&&)>& visit_result = {}) const override;
  Result<void> read_range(CopyNumber copy, const std::optional<PointId>& after,
                          const std::function<Result<void>(SequenceNumber)>& begin,
                          const std::function<Result<bool>(StoredPoint&&)>& visit) const override;
  void watch_damage(DamageWatcher watcher) override { damage_->watch(std::move(watcher)); }
  Result<void> drop_store(CopyNumber copy) override;
  Result<void> put_local(const std::string& key, const std::string& value) override;
  Result<void> delete_local(const std::string& key) override;
  Result<void> write_local(std::span<const LocalWrite> writes) override;
  Result<std::optional<std::string>> get_local(const std::string& key) const override;
  Result<std::vector<std::pair<std::string, std::string>>> list_local(const std::string& prefix) const override;
  Result<void> flush() override;
  Result<void> checkpoint(const std::filesystem::path& directory) const override;
  std::uint64_t disk_free_bytes() const override { return disk_.free_bytes(); }
  bool storage_full() const override { return disk_.full(); }
  std::chrono::milliseconds longest_write() const override { return writes_.longest(WritesUnderWay::Clock::now()); }
  bool has_room_for(std::uint64_t bytes) const { return disk_.has_room_for(bytes); }

  /// For the stores.
  rocksdb::DB& rocks() const { return *rocks_; }
  rocksdb::ColumnFamilyHandle* family(ColumnFamily which) const { return handles_[static_cast<std::size_t>(which)]; }
  /// What became of a read of a copy; tells of damage.
  Result<void> read_of(CopyNumber copy, const rocksdb::Status& status, std::string_view doing) const;
  /// What was made of the bytes of a copy: whoever cannot make anything of them has found damage.
  template <typename Value>
  Result<Value> made_of(CopyNumber copy, Result<Value> value) const {
    if (!value) damage_->tell(copy, value.error().message);
    return value;
  }

  /// Writes a batch, synced if the options or `must_sync` say so, and measures it. RocksDB stops writing after an I/O
  /// error; the next write here tries to wake it, so that writes resume when the cause is gone.
  Result<void> commit(rocksdb::WriteBatch& batch, bool must_sync);
  /// For what may be lost with the next power cut, as long as everything before it is lost later.
  Result<void> commit_unsynced(rocksdb::WriteBatch& batch);

 private:
  RocksDatabase(const DatabaseOptions& options, MetricsRegistry& metrics, DiskSpace::Probe probe,
                std::optional<LockFile> lock);
  Result<void> open_rocks();
  Result<void> check_local() const;
  Result<void> check_format();
  Result<void> write_batch(rocksdb::WriteBatch& batch, bool sync);
  void upkeep();
  void sync_log();
  void refresh_gauges();

  const DatabaseOptions options_;
  const std::optional<LockFile> lock_;  // none when it only reads
  const DiskSpace disk_;
  const std::shared_ptr<DamageReports> damage_ = std::make_shared<DamageReports>();
  const RocksOptions rocks_options_;
  std::unique_ptr<rocksdb::DB> rocks_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // owned; released before rocks_
  WritesUnderWay writes_;

  MetricsRegistry::Histogram& sync_seconds_;
  MetricsRegistry::Gauge& file_bytes_;
  MetricsRegistry::Gauge& buffer_bytes_;
  MetricsRegistry::Gauge& cache_bytes_;

  std::mutex mutex_;
  std::condition_variable wake_;  // stopping_ was set
  bool stopping_ = false;
  std::thread upkeep_;
};

}  // namespace vectorizer::storage
