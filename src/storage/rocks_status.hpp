#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::storage {

/// The one place where RocksDB's outcomes become ours. `doing` completes "cannot ...". Always kInternal: after a failed
/// write nobody knows whether the log kept it.
Error to_error(const rocksdb::Status& status, std::string_view doing);
Result<void> to_result(const rocksdb::Status& status, std::string_view doing);

}  // namespace vectorizer::storage
