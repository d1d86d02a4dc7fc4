#pragma once

#include <spdlog/spdlog.h>

#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// Sets up the process's log on stderr: `level` is trace|debug|info|warn|error, `format` is text|json.
/// Call once, before other threads log. Everyone logs through spdlog::info and its siblings.
Result<void> configure_log(const std::string& level, const std::string& format);

}  // namespace vectorizer
