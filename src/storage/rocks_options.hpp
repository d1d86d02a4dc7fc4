#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <vector>

#include "damage_reports.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::storage {

/// How we use RocksDB: bounded memory, few threads, damage found rather than served.
struct RocksOptions {
  /// @param damage is told what background work finds
  RocksOptions(const DatabaseOptions& options, std::shared_ptr<const DamageReports> damage);

  rocksdb::DBOptions database;
  /// In the order of ColumnFamily.
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  std::shared_ptr<rocksdb::Cache> cache;
};

/// The fixed set of column families. `default` must exist and stays empty.
enum class ColumnFamily : std::uint8_t { kDefault, kPoints, kLocal, kOperations, kResults };

}  // namespace vectorizer::storage
