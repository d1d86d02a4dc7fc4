#pragma once

#include <map>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

/// Which copies this node holds on disk: shard id -> copy number, in the database's local metadata. A number is never
/// given out twice, so that the keys of a dropped copy cannot come back to life. Not thread-safe.
///
///   "copy/<shard id>"  -> decimal copy number
///   "copy-next"        -> decimal, the next number to give out
class CopyRegistry {
 public:
  static Result<CopyRegistry> load(storage::Database& database);

  const std::map<ShardId, storage::CopyNumber>& copies() const { return copies_; }
  /// Records a new copy of `shard`; durable when it returns.
  Result<storage::CopyNumber> allocate(const ShardId& shard);
  /// Drops a copy's data, then its record: a crash in between drops it again.
  Result<void> drop(const ShardId& shard);

 private:
  explicit CopyRegistry(storage::Database& database) : database_(&database) {}

  storage::Database* database_;
  std::map<ShardId, storage::CopyNumber> copies_;
  storage::CopyNumber next_ = 1;
};

}  // namespace vectorizer::node
