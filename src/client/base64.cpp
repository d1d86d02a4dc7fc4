#include "base64.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace vectorizer::client {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

void append_base64(std::string& out, std::span<const float> vector) {
  static_assert(std::endian::native == std::endian::little, "vectors are sent as they lie in memory");
  const auto bytes = std::as_bytes(vector);
  const auto byte = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i]) : 0U; };
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    const std::size_t have = bytes.size() - i;
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += have > 1 ? kAlphabet[group >> 6 & 63] : '=';
    out += have > 2 ? kAlphabet[group & 63] : '=';
  }
}

}  // namespace vectorizer::client
