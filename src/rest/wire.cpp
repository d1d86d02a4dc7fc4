#include "wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <ctime>
#include <random>

#include "url.hpp"
#include "vectorizer/base/json_text.hpp"

namespace vectorizer::rest {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::patch:
      return Method::kPatch;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

bool valid_request_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

void assign_media_type(std::string& out, std::string_view value) {
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  out.assign(value);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

void read_fields(const WireHeader& header, Request& request) {
  request.content_type.clear();
  request.request_id.clear();
  request.idempotency_key.clear();
  request.has_idempotency_key = false;
  request.session_token.clear();
  request.has_origin = false;
  for (const auto& field : header) {
    const std::string_view value(field.value().data(), field.value().size());
    switch (field.name()) {
      case http::field::content_type:
        assign_media_type(request.content_type, value);
        break;
      case http::field::origin:
        request.has_origin = true;
        break;
      case http::field::unknown:
        if (beast::iequals(field.name_string(), "X-Request-Id")) {
          if (valid_request_id(value)) request.request_id.assign(value);
        } else if (beast::iequals(field.name_string(), "Idempotency-Key")) {
          request.idempotency_key.assign(value);
          request.has_idempotency_key = true;
        } else if (beast::iequals(field.name_string(), "X-Session-Token")) {
          request.session_token.assign(value);
        }
        break;
      default:
        break;
    }
  }
  if (request.request_id.empty()) request.request_id = make_request_id();
}

std::string_view reason_phrase(int status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  return {text.data(), text.size()};
}

// Statuses of HTTP itself that no ErrorType has.
Refusal refusal(Rejection reason, int status, const Error& error, std::string_view request_id) {
  Refusal refused{reason, error_response(error, request_id)};
  const std::string written = fmt::format("\"status_code\":{}", refused.response.status);
  if (const auto at = refused.response.body.rfind(written); at != std::string::npos) {
    refused.response.body.replace(at, written.size(), fmt::format("\"status_code\":{}", status));
  }
  refused.response.status = status;
  return refused;
}

// RFC 9110 asks for it; the text is made once a second.
std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local char text[40];
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    std::tm utc{};
    gmtime_r(&now, &utc);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    made = now;
  }
  return {text, size};
}

}  // namespace

Result<void> read_header(const WireHeader& header, Request& request) {
  request.method = method_of(header.method());
  read_fields(header, request);
  std::string_view target(header.target().data(), header.target().size());
  // The absolute form, as sent to proxies: http://host/path.
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    const auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  const auto question = target.find('?');
  request.path.assign(target.substr(0, question));
  request.query.clear();
  request.params.clear();
  if (question == std::string_view::npos) return {};
  ASSIGN_OR_RETURN(request.query, parse_query(target.substr(question + 1)));
  return {};
}

std::optional<Refusal> check_header(const WireHeader& header, std::string_view request_id) {
  if (header.version() == 11 && header.count(http::field::host) != 1) {
    return refusal(Rejection::kMalformed, 400, invalid_field("Host", "an HTTP/1.1 request has exactly one"),
                   request_id);
  }
  if (const auto encoding = header.find(http::field::transfer_encoding); encoding != header.end()) {
    if (!beast::iequals(encoding->value(), "chunked") || header.count(http::field::content_length) > 0) {
      return refusal(Rejection::kMalformed, 400,
                     invalid_field("Transfer-Encoding", "must be chunked, and without Content-Length"), request_id);
    }
  }
  if (const auto encoding = header.find(http::field::content_encoding);
      encoding != header.end() && !beast::iequals(encoding->value(), "identity")) {
    const std::string shown(encoding->value().data(), encoding->value().size());
    return refusal(Rejection::kMalformed, 415,
                   Error{ErrorType::kUnsupportedMediaType, fmt::format("a body in {} is not understood", shown)}.with(
                       "content_encoding", shown),
                   request_id);
  }
  if (const auto expect = header.find(http::field::expect); expect != header.end()) {
    if (!beast::iequals(expect->value(), "100-continue")) {
      return refusal(Rejection::kMalformed, 417, invalid_field("Expect", "must be 100-continue"), request_id);
    }
  }
  return std::nullopt;
}

Refusal refuse_parse_error(const beast::error_code& failure, const config::ServerSettings& settings,
                           std::string_view request_id) {
  if (failure == http::error::header_limit) {
    const auto limit = settings.max_header_bytes;
    return refusal(Rejection::kHeaderTooLarge, 431,
                   invalid_field("header", fmt::format("is larger than {} bytes", limit)).with("limit_bytes", limit),
                   request_id);
  }
  if (failure == http::error::body_limit) {
    const auto limit = settings.max_body_bytes;
    return refusal(Rejection::kBodyTooLarge, 413,
                   Error{ErrorType::kPayloadTooLarge, fmt::format("the body is larger than {} bytes", limit)}.with(
                       "limit_bytes", limit),
                   request_id);
  }
  return refusal(Rejection::kMalformed, 400,
                 invalid_field("request", fmt::format("is malformed HTTP: {}", failure.message())), request_id);
}

Refusal refuse_slow_client(std::uint32_t limit_ms, std::string_view request_id) {
  return refusal(Rejection::kTimeout, 408,
                 Error{ErrorType::kTimeout, fmt::format("the request was not read whole within {} ms", limit_ms)}.with(
                     "timeout_ms", limit_ms),
                 request_id);
}

Refusal refuse_body(std::uint64_t used, std::uint64_t limit, std::string_view request_id) {
  return refusal(Rejection::kBodyMemory, 429,
                 Error{ErrorType::kOverloaded, "the bodies of other requests take all the memory there is for them"}
                     .with("queue", "bodies")
                     .with("depth", used)
                     .with("limit", limit),
                 request_id);
}

Refusal refuse_connection(std::uint32_t limit, std::string_view request_id) {
  return refusal(Rejection::kConnections, 429,
                 Error{ErrorType::kOverloaded, fmt::format("all {} connections are in use", limit)}
                     .with("queue", "connections")
                     .with("depth", limit)
                     .with("limit", limit),
                 request_id);
}

void append_head(std::string& out, const Response& response, std::string_view request_id, bool keep_alive) {
  out += "HTTP/1.1 ";
  append_json_integer(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\nDate: ";
  out += http_date();
  out += "\r\nContent-Type: ";
  out += response.content_type;
  out += "\r\nContent-Length: ";
  append_json_integer(out, response.body.size());
  out += "\r\nX-Request-Id: ";
  out += request_id;
  out += keep_alive ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n";
  for (const auto& [name, value] : response.headers) {
    if (std::any_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; })) continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
}

std::string make_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr char kHex[] = "0123456789abcdef";
  std::uint64_t bits = random();
  std::string id(16, '0');
  for (char& digit : id) {
    digit = kHex[bits & 15];
    bits >>= 4;
  }
  return id;
}

}  // namespace vectorizer::rest
