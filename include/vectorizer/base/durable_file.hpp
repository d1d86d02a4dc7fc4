#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// A file that appears under its name whole or not at all, also after a power cut: it is written beside its place under
/// another name, synced, renamed, and the directory synced. What was there before stays until then. Not committed, it
/// leaves nothing. Errors are `storage_full` for a full disk, else `internal`, and name the file.
class DurableFile {
 public:
  /// What a file that was not finished is called after its name; a crash may leave one.
  static constexpr std::string_view kUnfinished = ".new";

  /// Creates the file to be; an error of that comes from the first `write` or from `commit`.
  explicit DurableFile(std::filesystem::path place);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  Result<void> write(std::string_view bytes);
  /// Once; nothing may follow.
  Result<void> commit();

 private:
  Error failed(std::string_view doing) const;

  const std::filesystem::path place_;
  const std::filesystem::path temporary_;
  int descriptor_ = -1;
  int create_error_ = 0;
};

/// The same for bytes that are all there.
Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes);
/// A rename is on the disk only when the directory of `path` is.
Result<void> sync_directory_of(const std::filesystem::path& path);
/// The whole of a file of at most `max_bytes`.
Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace vectorizer
