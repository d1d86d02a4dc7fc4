#include "rocks_options.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdarg>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "rocks_status.hpp"

namespace vectorizer::storage {
namespace {

constexpr std::uint64_t kMegabyte = 1ULL << 20;

/// How often at most the same damage is told again: compaction tries again every second.
constexpr std::chrono::minutes kTellAgain{10};

/// Tells the operator what RocksDB finds out on its own threads.
class BackgroundErrors final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(std::shared_ptr<const DamageReports> damage) : damage_(std::move(damage)) {}

  /// A file that compaction cannot read stays as it is; that must not stop all writes of the node. Whose points are in
  /// it shows when the copies are read.
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    if (reason == rocksdb::BackgroundErrorReason::kCompaction && is_damage(*status)) {
      const auto what = status->ToString();
      *status = rocksdb::Status::OK();
      if (!is_new(what)) return;
      spdlog::error("storage: a damaged file cannot be compacted: {}", what);
      return damage_->tell(std::nullopt, what);
    }
    spdlog::error("storage: background work failed, writes stop: {}", status->ToString());
  }
  void OnErrorRecoveryCompleted(rocksdb::Status) override { spdlog::info("storage: recovered, writes work again"); }

 private:
  using Clock = std::chrono::steady_clock;

  bool is_new(const std::string& what) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (what == last_ && now - told_at_ < kTellAgain) return false;
    last_ = what;
    told_at_ = now;
    return true;
  }

  const std::shared_ptr<const DamageReports> damage_;
  std::mutex mutex_;
  std::string last_;           // guarded by mutex_
  Clock::time_point told_at_;  // likewise
};

/// Without it RocksDB writes a file of its own into a directory that it only reads.
class NoLog final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options(std::shared_ptr<const DamageReports> damage) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_background_jobs = 2;
  options.max_open_files = 512;
  options.db_write_buffer_size = 32 * kMegabyte;  // of all column families together
  options.max_total_wal_size = 64 * kMegabyte;    // bounds what an open replays
  options.bytes_per_sync = kMegabyte;
  options.keep_log_file_num = 3;
  options.max_log_file_size = 4 * kMegabyte;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.listeners.push_back(std::make_shared<BackgroundErrors>(std::move(damage)));
  return options;
}

rocksdb::ColumnFamilyOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;  // else they are outside every bound
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;  // vectors do not shrink
  return options;
}

rocksdb::ColumnFamilyOptions point_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  auto options = table_options(cache);
  options.write_buffer_size = 16 * kMegabyte;
  options.max_write_buffer_number = 3;
  options.level_compaction_dynamic_level_bytes = true;
  options.enable_blob_files = true;  // so that compaction does not rewrite vectors
  options.min_blob_size = 1024;
  options.blob_file_size = 64 * kMegabyte;
  options.blob_cache = cache;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = 0.25;
  options.blob_garbage_collection_force_threshold = 0.5;
  return options;
}

/// Written once, read while it is new, deleted from the front.
rocksdb::ColumnFamilyOptions operation_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  auto options = table_options(cache);
  options.write_buffer_size = 16 * kMegabyte;
  options.max_write_buffer_number = 3;
  options.enable_blob_files = true;  // so that compaction, which finds most of it deleted, moves keys only
  options.min_blob_size = 1024;
  options.blob_file_size = 16 * kMegabyte;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = 0.5;
  return options;
}

}  // namespace

RocksOptions::RocksOptions(const DatabaseOptions& options, std::shared_ptr<const DamageReports> damage)
    : database(database_options(std::move(damage))), cache(rocksdb::NewLRUCache(options.block_cache_bytes)) {
  auto local = table_options(cache);
  local.write_buffer_size = kMegabyte;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, local);
  families.emplace_back("points", point_options(cache));
  families.emplace_back("local", local);
  families.emplace_back("operations", operation_options(cache));
  families.emplace_back("results", local);
  if (options.read_only) database.info_log = std::make_shared<NoLog>();
}

}  // namespace vectorizer::storage
