#include "http.hpp"

#include <simdjson.h>
#include <spdlog/spdlog.h>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer::rest {
namespace {

// A message may quote what a client sent, which need not be UTF-8; the reply must be.
std::string as_utf8(std::string_view text) {
  std::string clean(text);
  if (simdjson::validate_utf8(clean.data(), clean.size())) return clean;
  for (char& byte : clean) {
    if (static_cast<unsigned char>(byte) >= 0x80) byte = '?';
  }
  return clean;
}

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "OTHER";
}

std::optional<std::string_view> Request::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Response error_response(const Error& error, std::string_view request_id) {
  Response response;
  response.status = http_status(error.type);
  const bool internal = error.type == ErrorType::kInternal;
  if (internal) spdlog::error("request {}: {} {}", request_id, error.message, error.details);
  std::string& body = response.body;
  body = "{\"error_type\":";
  append_json_string(body, error_type_name(error.type));
  body += ",\"message\":";
  append_json_string(
      body, internal ? "internal error; the log names the cause under this request_id" : as_utf8(error.message));
  body += ",\"details\":";
  body += internal || error.details.empty() ? "{}" : as_utf8(error.details);
  body += ",\"status_code\":";
  append_json_integer(body, static_cast<std::uint64_t>(response.status));
  body += ",\"request_id\":";
  append_json_string(body, as_utf8(request_id));
  body += '}';
  if (response.status == 429 || response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace vectorizer::rest
