#include "raft_database.hpp"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <system_error>

namespace vectorizer::consensus {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  const bool damaged = status.IsCorruption() || status.IsPathNotFound();
  return {damaged ? ErrorType::kConflict : ErrorType::kInternal,
          fmt::format("cannot {}{}: {}", doing, damaged ? ": it is damaged" : "", status.ToString())};
}

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.write_buffer_size = 8 * kMegabyte;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = 32 * kMegabyte;
  options.max_background_jobs = 1;
  options.max_open_files = 64;
  options.keep_log_file_num = 2;
  options.max_log_file_size = kMegabyte;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(2 * kMegabyte);  // the log is read at start only
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksRaftDatabase final : public RaftDatabase {
 public:
  explicit RocksRaftDatabase(std::unique_ptr<rocksdb::DB> rocks) : rocks_(std::move(rocks)) {}

  Result<void> write(const std::vector<RaftChange>& changes) override {
    rocksdb::WriteBatch batch;
    for (const auto& change : changes) {
      const auto status = change.value ? batch.Put(change.key, *change.value) : batch.Delete(change.key);
      if (!status.ok()) return to_error(status, "write to the Raft store");
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    if (const auto status = rocks_->Write(options, &batch); !status.ok()) {
      return to_error(status, "write to the Raft store");
    }
    return {};
  }

  Result<std::optional<std::string>> get(const std::string& key) const override {
    std::string value;
    const auto status = rocks_->Get({}, key, &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return to_error(status, "read the Raft store");
    return std::optional(std::move(value));
  }

  Result<void> scan(const std::string& prefix,
                    const std::function<Result<bool>(std::string_view, std::string_view)>& visit) const override {
    const std::unique_ptr<rocksdb::Iterator> entry(rocks_->NewIterator({}));
    for (entry->Seek(prefix); entry->Valid() && entry->key().starts_with(prefix); entry->Next()) {
      ASSIGN_OR_RETURN(const bool more, visit(entry->key().ToStringView(), entry->value().ToStringView()));
      if (!more) return {};
    }
    if (!entry->status().ok()) return to_error(entry->status(), "read the Raft store");
    return {};
  }

  Result<void> checkpoint(const std::filesystem::path& directory) const override {
    rocksdb::Checkpoint* made = nullptr;
    auto status = rocksdb::Checkpoint::Create(rocks_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string());
    if (!status.ok()) return to_error(status, fmt::format("make a checkpoint in {}", directory.string()));
    return {};
  }

 private:
  const std::unique_ptr<rocksdb::DB> rocks_;
};

}  // namespace

Result<std::unique_ptr<RaftDatabase>> open_raft_database(const std::filesystem::path& directory) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) {
    return Error{ErrorType::kInternal,
                 fmt::format("cannot create the directory {}: {}", directory.string(), problem.message())};
  }
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(database_options(), directory.string(), &opened);
  if (!status.ok()) return to_error(status, fmt::format("open the Raft store in {}", directory.string()));
  return std::unique_ptr<RaftDatabase>(std::make_unique<RocksRaftDatabase>(std::unique_ptr<rocksdb::DB>(opened)));
}

}  // namespace vectorizer::consensus
