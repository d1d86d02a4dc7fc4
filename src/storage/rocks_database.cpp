#include "rocks_database.hpp"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#if __has_include(<rocksdb/advanced_cache.h>)
#include <rocksdb/advanced_cache.h>  // newer than Debian 12's: the definition of Cache
#endif
#include <rocksdb/convenience.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "encoding.hpp"
#include "rocks_operation_log.hpp"
#include "rocks_shard_store.hpp"
#include "rocks_status.hpp"

namespace vectorizer::storage {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kFormat = "1";
constexpr std::chrono::milliseconds kGaugeInterval{5000};

Error damaged_whole(const std::string& directory, const rocksdb::Status& status) {
  return Error{ErrorType::kConflict, fmt::format("the data in {} is damaged and cannot be opened ({}): restore it from "
                                                 "a backup, or empty the data directory",
                                                 directory, status.ToString())};
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

RocksDatabase::RocksDatabase(const DatabaseOptions& options, MetricsRegistry& metrics, DiskSpace::Probe probe,
                             std::optional<LockFile> lock)
    : options_(options),
      lock_(std::move(lock)),
      disk_(std::move(probe), options.min_free_bytes),
      rocks_options_(options, damage_),
      sync_seconds_(metrics.histogram("vectorizer_wal_sync_seconds",
                                      "Time to write and sync one batch of the write-ahead log.", latency_buckets())),
      file_bytes_(metrics.gauge("vectorizer_storage_file_bytes", "Size of the live data files of the store.")),
      buffer_bytes_(metrics.gauge("vectorizer_storage_write_buffer_bytes", "Memory of the store's write buffers.")),
      cache_bytes_(metrics.gauge("vectorizer_storage_cache_bytes", "Memory of the store's block cache.")) {}

RocksDatabase::~RocksDatabase() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (upkeep_.joinable()) upkeep_.join();
  if (!rocks_) return;
  if (!options_.sync_always && !options_.read_only) sync_log();
  for (auto* handle : handles_) rocks_->DestroyColumnFamilyHandle(handle);
  if (const auto status = rocks_->Close(); !status.ok()) {
    spdlog::error("storage: closing {}: {}", options_.directory.string(), status.ToString());
  }
}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open(const DatabaseOptions& options, MetricsRegistry& metrics,
                                                           DiskSpace::Probe probe) {
  std::optional<LockFile> lock;
  if (!options.read_only) {
    std::error_code problem;
    std::filesystem::create_directories(options.directory, problem);
    if (problem) {
      return Error{ErrorType::kInternal, fmt::format("cannot create the data directory {}: {}",
                                                     options.directory.string(), problem.message())};
    }
    ASSIGN_OR_RETURN(auto acquired, LockFile::acquire(options.directory));
    lock.emplace(std::move(acquired));
  }
  std::unique_ptr<RocksDatabase> database(new RocksDatabase(options, metrics, std::move(probe), std::move(lock)));
  RETURN_IF_ERROR(database->open_rocks());
  RETURN_IF_ERROR(database->check_local());
  RETURN_IF_ERROR(database->check_format());
  if (options.read_only) return database;
  database->refresh_gauges();
  database->upkeep_ = std::thread([raw = database.get()] { raw->upkeep(); });
  return database;
}

Result<void> RocksDatabase::open_rocks() {
  rocksdb::DB* opened = nullptr;
  const auto start = Clock::now();
  const auto directory = options_.directory.string();
  auto families = rocks_options_.families;
  if (options_.read_only) {
    std::vector<std::string> names;
    RETURN_IF_ERROR(to_result(rocksdb::DB::ListColumnFamilies(rocks_options_.database, directory, &names),
                              fmt::format("open the data in {}", directory)));
    // The newest one cannot be made here, and nobody asks for results who only reads.
    if (std::find(names.begin(), names.end(), families.back().name) == names.end()) families.pop_back();
  }
  const auto status =
      options_.read_only
          ? rocksdb::DB::OpenForReadOnly(rocks_options_.database, directory, families, &handles_, &opened)
          : rocksdb::DB::Open(rocks_options_.database, directory, families, &handles_, &opened);
  if (is_damage(status)) return damaged_whole(directory, status);
  RETURN_IF_ERROR(to_result(status, fmt::format("open the data in {}", directory)));
  rocks_.reset(opened);
  if (options_.read_only) return {};
  spdlog::info("storage: opened {} in {:.0f} ms", options_.directory.string(), seconds_since(start) * 1000);
  return {};
}

/// The records of the node itself: without them nobody knows which copies are here.
Result<void> RocksDatabase::check_local() const {
  const std::unique_ptr<rocksdb::Iterator> entry(rocks_->NewIterator({}, family(ColumnFamily::kLocal)));
  entry->SeekToFirst();
  while (entry->Valid()) entry->Next();
  if (is_damage(entry->status())) return damaged_whole(options_.directory.string(), entry->status());
  return to_result(entry->status(), "read local records");
}

Result<void> RocksDatabase::check_format() {
  std::string format;
  const auto status = rocks_->Get({}, family(ColumnFamily::kLocal), format_key(), &format);
  if (status.IsNotFound()) {
    rocksdb::WriteBatch batch;
    RETURN_IF_ERROR(to_result(batch.Put(family(ColumnFamily::kLocal), format_key(), std::string(kFormat)), "write"));
    return commit(batch, true);
  }
  if (is_damage(status)) return damaged_whole(options_.directory.string(), status);
  RETURN_IF_ERROR(to_result(status, fmt::format("read the format of {}", options_.directory.string())));
  if (format == kFormat) return {};
  return Error{ErrorType::kInternal, fmt::format("the data in {} has format {}; this version reads format {}",
                                                 options_.directory.string(), format, kFormat)};
}

Result<void> RocksDatabase::commit(rocksdb::WriteBatch& batch, bool must_sync) {
  return write_batch(batch, options_.sync_always || must_sync);
}

Result<void> RocksDatabase::commit_unsynced(rocksdb::WriteBatch& batch) {
  return write_batch(batch, false);
}

Result<void> RocksDatabase::write_batch(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions write_options;
  write_options.sync = sync;
  const auto start = Clock::now();
  const WritesUnderWay::Write under_way(writes_, start);
  const auto status = rocks_->Write(write_options, &batch);
  if (write_options.sync) sync_seconds_.Observe(seconds_since(start));
  if (status.ok()) return {};
  if (status.severity() >= rocksdb::Status::Severity::kHardError && !disk_.full()) {
    // For the writes that follow; this one has failed, and whether the log kept it is not known.
    if (const auto resumed = rocks_->Resume(); !resumed.ok()) {
      spdlog::warn("storage: writes do not resume yet: {}", resumed.ToString());
    }
  }
  return to_error(status, "write to the store");
}

std::unique_ptr<ShardStore> RocksDatabase::open_store(CopyNumber copy) {
  return std::make_unique<RocksShardStore>(*this, copy, RocksShardStore::Sync::kAsConfigured);
}

std::unique_ptr<ShardStore> RocksDatabase::open_logged_store(CopyNumber copy) {
  return std::make_unique<RocksShardStore>(*this, copy, RocksShardStore::Sync::kNever);
}

Result<std::unique_ptr<OperationLog>> RocksDatabase::open_log(CopyNumber copy) {
  return RocksOperationLog::open(*this, copy);
}

Result<void> RocksDatabase::read_checkpoint(CopyNumber copy, const std::function<Result<void>(SequenceNumber)>& begin,
                                            const std::function<Result<void>(StoredPoint&&)>& visit,
                                            const std::function<Result<void>(StoredWrite&&)>& visit_result) const {
  rocksdb::ManagedSnapshot moment(rocks_.get());
  const auto visit_all = [&](StoredPoint&& point) -> Result<bool> {
    RETURN_IF_ERROR(visit(std::move(point)));
    return true;
  };
  RETURN_IF_ERROR(RocksShardStore::scan_at(*this, copy, *moment.snapshot(), std::nullopt, begin, visit_all));
  if (!visit_result) return {};
  return RocksShardStore::scan_results(*this, copy, moment.snapshot(), visit_result);
}

Result<void> RocksDatabase::read_range(CopyNumber copy, const std::optional<PointId>& after,
                                       const std::function<Result<void>(SequenceNumber)>& begin,
                                       const std::function<Result<bool>(StoredPoint&&)>& visit) const {
  rocksdb::ManagedSnapshot moment(rocks_.get());
  return RocksShardStore::scan_at(*this, copy, *moment.snapshot(), after, begin, visit);
}

Result<void> RocksDatabase::read_of(CopyNumber copy, const rocksdb::Status& status, std::string_view doing) const {
  if (status.ok()) return {};
  auto error = to_error(status, doing);
  if (is_damage(status)) damage_->tell(copy, error.message);
  return error;
}

Result<void> RocksDatabase::flush() {
  const auto status = rocks_->Flush(rocksdb::FlushOptions(), handles_);
  if (status.IsNoSpace()) return Error{ErrorType::kStorageFull, "the disk is full: what is in memory is not written"};
  return to_result(status, "write what is in memory");
}

Result<void> RocksDatabase::checkpoint(const std::filesystem::path& directory) const {
  rocksdb::Checkpoint* made = nullptr;
  RETURN_IF_ERROR(to_result(rocksdb::Checkpoint::Create(rocks_.get(), &made), "begin a checkpoint"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  const auto status = checkpoint->CreateCheckpoint(directory.string());
  if (status.IsNoSpace()) {
    return Error{ErrorType::kStorageFull, fmt::format("the disk is full: no checkpoint in {}", directory.string())};
  }
  return to_result(status, fmt::format("make a checkpoint in {}", directory.string()));
}

Result<void> RocksDatabase::drop_store(CopyNumber copy) {
  const std::string begin = copy_prefix(copy), end = copy_end(copy);
  auto* const points = family(ColumnFamily::kPoints);
  rocksdb::WriteBatch batch;
  RETURN_IF_ERROR(to_result(batch.DeleteRange(points, begin, end), "drop a copy"));
  RETURN_IF_ERROR(
      to_result(batch.DeleteRange(family(ColumnFamily::kOperations), operation_key(copy, 0), operations_end(copy)),
                "drop a copy"));
  RETURN_IF_ERROR(to_result(
      batch.DeleteRange(family(ColumnFamily::kResults), operation_key(copy, 0), operations_end(copy)), "drop a copy"));
  RETURN_IF_ERROR(to_result(batch.Delete(family(ColumnFamily::kLocal), log_state_key(copy)), "drop a copy"));
  RETURN_IF_ERROR(to_result(batch.Delete(family(ColumnFamily::kLocal), sequence_key(copy)), "drop a copy"));
  RETURN_IF_ERROR(commit(batch, true));
  // The data is gone; this only gives whole files back before compaction does.
  const rocksdb::Slice first(begin), last(end);
  const rocksdb::RangePtr range(&first, &last);
  if (const auto status = rocksdb::DeleteFilesInRanges(rocks_.get(), points, &range, 1, false); !status.ok()) {
    spdlog::warn("storage: files of dropped copy {} wait for compaction: {}", copy, status.ToString());
  }
  return {};
}

Result<void> RocksDatabase::put_local(const std::string& key, const std::string& value) {
  const LocalWrite write{key, value};
  return write_local({&write, 1});
}

Result<void> RocksDatabase::delete_local(const std::string& key) {
  const LocalWrite write{key, std::nullopt};
  return write_local({&write, 1});
}

Result<void> RocksDatabase::write_local(std::span<const LocalWrite> writes) {
  auto* const local = family(ColumnFamily::kLocal);
  rocksdb::WriteBatch batch;
  for (const auto& write : writes) {
    const auto key = local_key(write.key);
    const auto status = write.value ? batch.Put(local, key, *write.value) : batch.Delete(local, key);
    RETURN_IF_ERROR(to_result(status, fmt::format("write '{}'", write.key)));
  }
  return commit(batch, true);
}

Result<std::optional<std::string>> RocksDatabase::get_local(const std::string& key) const {
  std::string value;
  const auto status = rocks_->Get({}, family(ColumnFamily::kLocal), local_key(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  RETURN_IF_ERROR(to_result(status, fmt::format("read '{}'", key)));
  return std::optional(std::move(value));
}

Result<std::vector<std::pair<std::string, std::string>>> RocksDatabase::list_local(const std::string& prefix) const {
  std::vector<std::pair<std::string, std::string>> records;
  const std::string start = local_key(prefix);
  const std::unique_ptr<rocksdb::Iterator> entry(rocks_->NewIterator({}, family(ColumnFamily::kLocal)));
  for (entry->Seek(start); entry->Valid() && entry->key().starts_with(start); entry->Next()) {
    records.emplace_back(entry->key().ToString().substr(1), entry->value().ToString());
  }
  RETURN_IF_ERROR(to_result(entry->status(), "list local records"));
  return records;
}

void RocksDatabase::upkeep() {
  const auto tick = options_.sync_always ? kGaugeInterval : std::min(kGaugeInterval, options_.sync_interval);
  auto gauges_at = Clock::now() + kGaugeInterval;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, tick, [this] { return stopping_; })) {
    lock.unlock();
    if (!options_.sync_always) sync_log();
    if (Clock::now() >= gauges_at) {
      refresh_gauges();
      gauges_at = Clock::now() + kGaugeInterval;
    }
    lock.lock();
  }
}

void RocksDatabase::sync_log() {
  const auto start = Clock::now();
  const auto status = rocks_->FlushWAL(true);
  sync_seconds_.Observe(seconds_since(start));
  if (!status.ok()) spdlog::error("storage: the write-ahead log could not be synced: {}", status.ToString());
}

void RocksDatabase::refresh_gauges() {
  const auto total = [this](const rocksdb::Slice& property) {
    std::uint64_t value = 0;
    return rocks_->GetAggregatedIntProperty(property, &value) ? static_cast<double>(value) : 0.0;
  };
  file_bytes_.Set(total(rocksdb::DB::Properties::kLiveSstFilesSize) +
                  total(rocksdb::DB::Properties::kLiveBlobFileSize));
  buffer_bytes_.Set(total(rocksdb::DB::Properties::kSizeAllMemTables));
  cache_bytes_.Set(static_cast<double>(rocks_options_.cache->GetUsage()));
}

Result<std::unique_ptr<Database>> open_database(const DatabaseOptions& options, MetricsRegistry& metrics) {
  ASSIGN_OR_RETURN(auto database, RocksDatabase::open(options, metrics, probe_of(options.directory)));
  return std::unique_ptr<Database>(std::move(database));
}

Result<std::filesystem::path> set_aside(const std::filesystem::path& directory) {
  auto place = directory;
  place += ".damaged";
  std::error_code problem;
  std::filesystem::remove_all(place, problem);
  if (!problem) std::filesystem::rename(directory, place, problem);
  if (problem) {
    return Error{ErrorType::kInternal,
                 fmt::format("cannot move {} to {}: {}", directory.string(), place.string(), problem.message())};
  }
  return place;
}

}  // namespace vectorizer::storage
