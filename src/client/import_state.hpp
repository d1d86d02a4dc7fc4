#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

/// What an interrupted import has to know to go on: what it was importing, and up to which row it is done.
struct ImportState {
  std::string file;  ///< absolute path
  std::uint64_t file_bytes = 0;
  std::int64_t file_mtime = 0;  ///< in the file clock's ticks
  std::string payload;          ///< absolute path; empty for none
  std::string url;
  std::string collection;
  std::uint64_t id_offset = 0;
  std::uint64_t rows = 0;

  /// What differs from `other` but the rows, e.g. "the file has changed"; empty if this state continues that import.
  std::string difference(const ImportState& other) const;
};

/// The state of an import that is about to start. Errors name the file that cannot be examined.
Result<ImportState> describe_import(const std::filesystem::path& file, const std::filesystem::path& payload);

/// `<directory>/<file name>.<collection>.import-state`
std::filesystem::path state_path(const std::filesystem::path& directory, const ImportState& state);

/// Nothing if there is no such file; an error if it cannot be understood.
Result<std::optional<ImportState>> load_state(const std::filesystem::path& path);
/// Replaces the file as a whole: a crash leaves the old state or the new one.
Result<void> save_state(const std::filesystem::path& path, const ImportState& state);

}  // namespace vectorizer::client
