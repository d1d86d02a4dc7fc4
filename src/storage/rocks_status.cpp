#include "rocks_status.hpp"

#include <fmt/format.h>

namespace vectorizer::storage {

bool is_damage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsPathNotFound();
}

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  if (is_damage(status)) {
    return {ErrorType::kInternal, fmt::format("cannot {}: the data is damaged: {}", doing, status.ToString())};
  }
  return {ErrorType::kInternal, fmt::format("cannot {}: {}", doing, status.ToString())};
}

Result<void> to_result(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  return to_error(status, doing);
}

}  // namespace vectorizer::storage
