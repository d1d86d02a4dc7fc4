#pragma once

#include <map>
#include <set>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

/// A copy on this node's disk.
struct LocalCopy {
  storage::CopyNumber number = 0;
  std::uint64_t id = 0;     ///< in the metadata; 0 for one that was made before copies had ids
  std::uint64_t epoch = 0;  ///< of the metadata that wanted it: what older metadata says of the shard is past
};

/// Which copies this node holds on disk, in the database's local metadata. A number is never given out twice, so that
/// the keys of a dropped copy cannot come back to life. Not thread-safe.
///
///   "copy/<shard id>"   -> "<number> <copy id> <epoch>", decimal; the last two are missing in the first format
///   "copy-next"         -> decimal, the next number to give out
///   "copy-drop/<number>" -> empty: its data goes at the next start, if it has not gone already
class CopyRegistry {
 public:
  /// Also ends the drops that a crash has interrupted. An error (kInternal), and nothing is dropped, if the records
  /// contradict each other: two shards would share their points, or lose them.
  static Result<CopyRegistry> load(storage::Database& database);

  /// The records alone: of a database that is only read, or has no registry yet.
  static Result<std::map<ShardId, LocalCopy>> read(const storage::Database& database);

  const std::map<ShardId, LocalCopy>& copies() const { return copies_; }
  /// A number that nothing has been written under.
  Result<storage::CopyNumber> allocate();
  /// From here on `copy` is what this node holds of `shard`, durably; what it held before is dropped.
  Result<void> record(const ShardId& shard, const LocalCopy& copy);
  /// Forgets the copy and drops its data: a crash in between drops it at the next start.
  Result<void> drop(const ShardId& shard);
  /// Drops what was written under an allocated number that is not recorded.
  Result<void> discard(storage::CopyNumber number);

 private:
  explicit CopyRegistry(storage::Database& database) : database_(&database) {}
  Result<void> check_numbers(const std::set<storage::CopyNumber>& drops) const;

  storage::Database* database_;
  std::map<ShardId, LocalCopy> copies_;
  storage::CopyNumber next_ = 1;
};

}  // namespace vectorizer::node
