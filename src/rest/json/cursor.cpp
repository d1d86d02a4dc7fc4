#include "json/cursor.hpp"

#include <simdjson.h>

#include "json/base64.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::rest {
namespace {

constexpr char kCursorVersion = '\x01';
constexpr char kTokenVersion = '\x01';
constexpr std::size_t kMaxTokenBytes = 4096;
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

std::string encode_session_token(std::string_view collection) {
  std::string bytes(1, kTokenVersion);
  bytes += collection;
  return encode_base64url(bytes);
}

Result<std::string> decode_session_token(std::string_view token) {
  const auto refuse = [] { return invalid_field("X-Session-Token", "is not one that a write returned"); };
  if (token.size() > kMaxTokenBytes) return refuse();
  auto bytes = decode_base64url(token);
  if (!bytes || bytes->empty() || bytes->front() != kTokenVersion) return refuse();
  std::string collection = bytes->substr(1);
  if (!valid_collection_name(collection)) return refuse();
  return collection;
}

}  // namespace vectorizer::rest
