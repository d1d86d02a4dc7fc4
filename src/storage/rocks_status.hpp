#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::storage {

/// The one place where RocksDB's outcomes become ours. `doing` completes "cannot ...". Always kInternal: after a failed
/// write nobody knows whether the log kept it.
Error to_error(const rocksdb::Status& status, std::string_view doing);
/// What was read is not what was written, or is gone; the disk or a hand did it, and reading again does not help.
bool is_damage(const rocksdb::Status& status);
Result<void> to_result(const rocksdb::Status& status, std::string_view doing);

}  // namespace vectorizer::storage
