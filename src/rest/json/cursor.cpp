#include "json/cursor.hpp"

#include <simdjson.h>

#include "json/base64.hpp"

namespace vectorizer::rest {
namespace {

constexpr char kCursorVersion = '\x01';
constexpr std::size_t kMaxCursorBytes = 512;

}  // namespace

std::string encode_cursor(const PointId& last) {
  std::string bytes(1, kCursorVersion);
  last.append_encoded(bytes);
  return encode_base64url(bytes);
}

Result<PointId> decode_cursor(std::string_view cursor) {
  const auto refuse = [] { return invalid_field("cursor", "is not one that a scroll returned"); };
  if (cursor.size() > kMaxCursorBytes) return refuse();
  const auto bytes = decode_base64url(cursor);
  if (!bytes || bytes->empty() || bytes->front() != kCursorVersion) return refuse();
  auto id = PointId::decode(std::string_view(*bytes).substr(1));
  if (!id) return refuse();
  if (!id->is_integer() && !simdjson::validate_utf8(id->text().data(), id->text().size())) return refuse();
  return *std::move(id);
}

}  // namespace vectorizer::rest
