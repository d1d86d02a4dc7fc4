#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vectorizer {

/// Appends `text` as a JSON string, quoted and escaped. Bytes >= 0x80 pass through: the caller holds valid UTF-8.
void append_json_string(std::string& out, std::string_view text);
/// Appends the shortest decimal that reads back as the same float; non-finite values become null.
void append_json_float(std::string& out, float value);
void append_json_integer(std::string& out, std::uint64_t value);

}  // namespace vectorizer
