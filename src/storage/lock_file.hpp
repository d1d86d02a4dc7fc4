#pragma once

#include <filesystem>
#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer::storage {

/// Holds a data directory for one process: flock on `vectorizer.lock`, which the kernel releases whatever ends us.
class LockFile {
 public:
  /// Error naming the directory and the process that holds it.
  static Result<LockFile> acquire(const std::filesystem::path& directory);

  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&&) = delete;
  LockFile(const LockFile&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace vectorizer::storage
