#include "json/session_token.hpp"

#include <cstdint>
#include <optional>

#include "json/base64.hpp"

namespace vectorizer::rest {
namespace {

constexpr char kVersion = '\x02';
constexpr std::size_t kMaxBytes = kMaxTokenBytes / 4 * 3;

// 7 bits a byte, the low ones first; the high bit says that more follow.
void append_number(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>((number & 0x7f) | 0x80);
  out += static_cast<char>(number);
}

/// Takes a number off the front; nothing for a spelling that append_number() has not.
std::optional<std::uint64_t> take_number(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return byte == 0 && shift > 0 ? std::nullopt : std::optional(number);
  }
  return std::nullopt;
}

}  // namespace

std::string encode_session_token(const ShardPositions& positions) {
  std::string bytes(1, kVersion);
  for (auto at = positions.rbegin(); at != positions.rend(); ++at) {
    std::string entry;
    append_number(entry, at->first.value());
    append_number(entry, at->second.term);
    append_number(entry, at->second.sequence);
    if (bytes.size() + entry.size() > kMaxBytes) break;
    bytes += entry;
  }
  return encode_base64url(bytes);
}

Result<ShardPositions> decode_session_token(std::string_view token) {
  const auto refuse = [] { return invalid_field("X-Session-Token", "is not one that a write returned"); };
  if (token.size() > kMaxTokenBytes) return refuse();
  const auto bytes = decode_base64url(token);
  if (!bytes || !bytes->starts_with(kVersion)) return refuse();
  ShardPositions positions;
  for (std::string_view rest = std::string_view(*bytes).substr(1); !rest.empty();) {
    const auto shard = take_number(rest);
    const auto term = take_number(rest);
    const auto sequence = take_number(rest);
    if (!shard || !term || !sequence) return refuse();
    if (!positions.empty() && positions.begin()->first.value() <= *shard) return refuse();
    positions[ShardId(*shard)] = {.sequence = *sequence, .term = *term};
  }
  return positions;
}

}  // namespace vectorizer::rest
