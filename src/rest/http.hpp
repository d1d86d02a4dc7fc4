#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOther };
std::string_view method_name(Method method);

/// One request as a handler sees it: read whole, path decoded. Lives as long as the handler runs.
struct Request {
  /// Bytes readable past the end of `body`, so that simdjson parses it in place.
  static constexpr std::size_t kBodyPadding = 64;

  Method method = Method::kGet;
  std::string path;                                         ///< still percent-encoded
  std::vector<std::string> params;                          ///< decoded values of the route's {placeholders}, in order
  std::vector<std::pair<std::string, std::string>> query;   ///< decoded
  std::string_view body;                                    ///< kBodyPadding readable bytes follow it
  std::string content_type;                                 ///< lower case, without parameters; empty when absent
  bool has_origin = false;
  std::string request_id;
  bool has_idempotency_key = false;
  std::string idempotency_key;
  std::uint64_t fingerprint = 0;  ///< with an idempotency key: hash of method, target and body
  std::string session_token;
  std::chrono::steady_clock::time_point received = std::chrono::steady_clock::now();  ///< whole

  std::optional<std::string_view> query_value(std::string_view name) const;
};

/// A reply. `body` is JSON unless `content_type` says otherwise.
struct Response {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

/// The one shape of every error (docs/openapi.yaml, schema Error); adds Retry-After for 429 and 503.
Response error_response(const Error& error, std::string_view request_id);

/// Where a handler runs: inline on the connection's io thread (never blocks), or on the request lane (may block).
enum class RunOn : std::uint8_t { kIoThread, kRequestLane };

struct Route {
  Method method;
  std::string pattern;  ///< "/collections/{name}/vectors/{id}": a placeholder is one whole segment
  RunOn run_on;
  std::function<Response(const Request&)> handler;
};

}  // namespace vectorizer::rest
