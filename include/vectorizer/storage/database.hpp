#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/storage/operation_log.hpp"
#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::storage {

/// Node-local number of one copy of a shard; never reused, so that a dropped copy's keys cannot come back to life.
using CopyNumber = std::uint32_t;

struct DatabaseOptions {
  std::filesystem::path directory;
  bool sync_always = true;  ///< false: the WAL is synced every sync_interval
  std::chrono::milliseconds sync_interval{1000};
  std::uint64_t block_cache_bytes = 64ULL << 20;
  std::uint64_t min_free_bytes = 512ULL << 20;  ///< below this (or 5 % of a smaller disk) writes are refused
  /// Nothing in the directory changes, and it is not locked: for snapshots. Whatever would write fails.
  bool read_only = false;
};

/// Hears what was found damaged: a checksum is wrong, a file is cut or gone, a record is none of ours. Without a copy
/// it is something that belongs to several, or to none. Called by whoever read it, under locks of the storage: it takes
/// note, and neither reads nor writes.
using DamageWatcher = std::function<void(std::optional<CopyNumber> copy, const std::string& what)>;

/// A change of local metadata: a record put, or deleted when it has no value.
struct LocalWrite {
  std::string key;
  std::optional<std::string> value;
};

/// The node's one RocksDB: points of every shard, and small local metadata, in a fixed set of column families.
/// Owned by the daemon; stores refer to it and must not outlive it. Thread-safe.
class Database {
 public:
  virtual ~Database() = default;

  virtual std::unique_ptr<ShardStore> open_store(CopyNumber copy) = 0;
  /// The points of a copy that has an operation log: its writes are not synced, because the log has them. A crash keeps
  /// a prefix of all writes to the database, so a write here outlives it if a later append to the log does.
  virtual std::unique_ptr<ShardStore> open_logged_store(CopyNumber copy) = 0;
  virtual Result<std::unique_ptr<OperationLog>> open_log(CopyNumber copy) = 0;
  /// Visits all points of a copy as of one moment: first `begin` with the sequence that it holds then; and, if asked,
  /// the results of writes that it remembers, after the points and in their order.
  virtual Result<void> read_checkpoint(CopyNumber copy, const std::function<Result<void>(SequenceNumber)>& begin,
                                       const std::function<Result<void>(StoredPoint&&)>& visit,
                                       const std::function<Result<void>(StoredWrite&&)>& visit_result = {}) const = 0;
  /// Drops every key of a copy, and its log.
  virtual Result<void> drop_store(CopyNumber copy) = 0;

  /// Local metadata: small records by key, synced.
  virtual Result<void> put_local(const std::string& key, const std::string& value) = 0;
  virtual Result<void> delete_local(const std::string& key) = 0;
  /// All of them in one synced batch, or none.
  virtual Result<void> write_local(std::span<const LocalWrite> writes) = 0;
  virtual Result<std::optional<std::string>> get_local(const std::string& key) const = 0;
  virtual Result<std::vector<std::pair<std::string, std::string>>> list_local(const std::string& prefix) const = 0;

  /// Writes what is in memory to files, so that a checkpoint that follows has little to write.
  virtual Result<void> flush() { return {}; }
  /// Makes `directory`, which must not exist and be on the same file system, a database of its own with everything that
  /// is written when this is called: files that never change are hard links.
  virtual Result<void> checkpoint(const std::filesystem::path& directory) const {
    return Error{ErrorType::kInternal, "no checkpoint can be made in " + directory.string()};
  }

  /// Bytes free where the data lives, and whether writes are refused for want of space.
  virtual std::uint64_t disk_free_bytes() const = 0;
  virtual bool storage_full() const = 0;
  /// How long the write that has been under way longest has been waiting for the disk; 0 when none is. A disk that
  /// hangs gives no errors: this is how it shows.
  virtual std::chrono::milliseconds longest_write() const { return std::chrono::milliseconds(0); }

  /// Visits the points of a copy with ids after `after`, in order and as of one moment, until `visit` returns false;
  /// first `begin` with the sequence that the copy holds then.
  virtual Result<void> read_range(CopyNumber copy, const std::optional<PointId>& after,
                                  const std::function<Result<void>(SequenceNumber)>& begin,
                                  const std::function<Result<bool>(StoredPoint&&)>& visit) const = 0;

  /// From now on `watcher` hears of all damage that is found, and nobody else does; empty for nobody.
  virtual void watch_damage(DamageWatcher) {}
};

/// Opens or creates the database; a damaged WAL tail is recovered to its last good record. One process at a time: a
/// second one is an error that says which directory is locked. kConflict if it is damaged as a whole: no copy in it can
/// be told from another.
Result<std::unique_ptr<Database>> open_database(const DatabaseOptions& options, MetricsRegistry& metrics);

/// Moves a database that cannot be opened to `<directory>.damaged`, where an earlier one goes. The path that it has
/// now.
Result<std::filesystem::path> set_aside(const std::filesystem::path& directory);

}  // namespace vectorizer::storage
