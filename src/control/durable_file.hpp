#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::control {

/// Replaces a file so that after a power cut it is either the old or the new one: a temporary file beside it, synced,
/// renamed, and the directory synced.
Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes);
/// The whole of a file of at most `max_bytes`.
Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace vectorizer::control
