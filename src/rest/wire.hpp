#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <string>
#include <string_view>

#include "http.hpp"
#include "http_metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"

namespace vectorizer::rest {

using WireHeader = boost::beast::http::header<true, boost::beast::http::fields>;

/// A request that cannot be read to its end: the answer, after which the connection closes.
struct Refusal {
  Rejection reason;
  Response response;
};

/// Method, path, query and the headers that handlers see. Every field of `request` but the body is overwritten; an
/// error is about the query, and leaves the request otherwise usable.
Result<void> read_header(const WireHeader& header, Request& request);

/// What HTTP demands of a header beyond its grammar: a Host in HTTP/1.1, an encoding and an expectation that we know.
/// Nothing when it is fine.
std::optional<Refusal> check_header(const WireHeader& header, std::string_view request_id);

Refusal refuse_parse_error(const boost::beast::error_code& failure, const config::ServerSettings& settings,
                           std::string_view request_id);
Refusal refuse_slow_client(std::uint32_t limit_ms, std::string_view request_id);
/// All bodies together are at their limit.
Refusal refuse_body(std::uint64_t used, std::uint64_t limit, std::string_view request_id);
Refusal refuse_connection(std::uint32_t limit, std::string_view request_id);

/// Appends status line and headers; a header value with control characters is left out.
void append_head(std::string& out, const Response& response, std::string_view request_id, bool keep_alive);

std::string make_request_id();

}  // namespace vectorizer::rest
