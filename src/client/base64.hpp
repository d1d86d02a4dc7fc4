#pragma once

#include <span>
#include <string>

namespace vectorizer::client {

/// Appends a vector as the REST contract takes it: padded base64 of its little-endian f32 bytes.
void append_base64(std::string& out, std::span<const float> vector);

}  // namespace vectorizer::client
