#pragma once

#include <cstdint>
#include <string_view>

namespace vectorizer::rpc {

/// CRC-32C (Castagnoli) of `bytes`, continued from the CRC of what came before them; 0 at the start.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace vectorizer::rpc
