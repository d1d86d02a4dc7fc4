#include "vectorizer/model/point_id.hpp"

#include <xxhash.h>

#include <array>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer {
namespace {

std::array<char, 9> encode_integer(std::uint64_t number) {
  std::array<char, 9> bytes{};
  for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i) + 1] = static_cast<char>(number >> (56 - 8 * i));
  return bytes;
}

}  // namespace

void PointId::append_encoded(std::string& out) const {
  if (is_integer()) {
    const auto bytes = encode_integer(number());
    out.append(bytes.data(), bytes.size());
  } else {
    out += '\x01';
    out += text();
  }
}

std::string PointId::encode() const {
  std::string out;
  append_encoded(out);
  return out;
}

std::optional<PointId> PointId::decode(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (bytes[0] == 0 && bytes.size() == 9) {
    std::uint64_t number = 0;
    for (const char c : bytes.substr(1)) number = number << 8 | static_cast<unsigned char>(c);
    return PointId(number);
  }
  if (bytes[0] == 1 && bytes.size() >= 2 && bytes.size() <= 1 + kMaxTextBytes)
    return PointId(std::string(bytes.substr(1)));
  return std::nullopt;
}

std::uint64_t PointId::hash() const {
  if (is_integer()) {
    const auto bytes = encode_integer(number());
    return XXH3_64bits(bytes.data(), bytes.size());
  }
  const auto bytes = encode();
  return XXH3_64bits(bytes.data(), bytes.size());
}

void PointId::append_json(std::string& out) const {
  if (is_integer()) {
    append_json_integer(out, number());
  } else {
    append_json_string(out, text());
  }
}

std::string PointId::to_json() const {
  std::string out;
  append_json(out);
  return out;
}

}  // namespace vectorizer
