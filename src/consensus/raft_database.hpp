#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"

namespace vectorizer::consensus {

/// One change of a batch: a value to put, or a key to delete.
struct RaftChange {
  std::string key;
  std::optional<std::string> value;
};

/// A small RocksDB of its own for what Raft must not lose. Every write is atomic and synced. Thread-safe.
class RaftDatabase {
 public:
  virtual ~RaftDatabase() = default;

  virtual Result<void> write(const std::vector<RaftChange>& changes) = 0;
  virtual Result<std::optional<std::string>> get(const std::string& key) const = 0;
  /// Visits the keys that begin with `prefix`, in order, until `visit` returns false or fails.
  virtual Result<void> scan(const std::string& prefix,
                            const std::function<Result<bool>(std::string_view, std::string_view)>& visit) const = 0;
  /// Makes `directory`, which must not exist, a database of its own with everything that is written by now.
  virtual Result<void> checkpoint(const std::filesystem::path& directory) const {
    return Error{ErrorType::kInternal, "no checkpoint can be made in " + directory.string()};
  }
};

/// Opens or creates it; the tail of the log that was not synced is cut at its last good record.
Result<std::unique_ptr<RaftDatabase>> open_raft_database(const std::filesystem::path& directory);

}  // namespace vectorizer::consensus
