#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vectorizer::rest {

/// RFC 4648 base64 with the standard alphabet; padding may be left out. Nothing for anything else, also for stray bits.
std::optional<std::string> decode_base64(std::string_view text);
/// The URL-safe alphabet without padding: what cursors and session tokens are made of.
std::string encode_base64url(std::string_view bytes);
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace vectorizer::rest
