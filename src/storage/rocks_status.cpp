#include "rocks_status.hpp"

#include <fmt/format.h>

namespace vectorizer::storage {

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  if (status.IsCorruption()) {
    return {ErrorType::kInternal, fmt::format("cannot {}: the data is damaged: {}", doing, status.ToString())};
  }
  return {ErrorType::kInternal, fmt::format("cannot {}: {}", doing, status.ToString())};
}

Result<void> to_result(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  return to_error(status, doing);
}

}  // namespace vectorizer::storage
