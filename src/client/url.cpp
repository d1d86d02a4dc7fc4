#include "url.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace vectorizer::client {

std::string Url::text() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
}

Result<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  const auto fail = [&](std::string_view why) {
    return Error{ErrorType::kValidation, fmt::format("'{}' is not a server's URL: {}", text, why)};
  };
  if (!text.starts_with(kScheme)) return fail("it must begin with http://");
  auto rest = text.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ \t\r\n") != std::string_view::npos) return fail("only a host and a port are expected");
  Url url;
  auto after_host = rest.find(':');
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return fail("']' is missing");
    url.host = rest.substr(1, close - 1);
    after_host = close + 1;
  } else {
    url.host = rest.substr(0, after_host);
  }
  if (url.host.empty()) return fail("the host is missing");
  url.port = "15002";
  if (after_host >= rest.size()) return url;
  if (rest[after_host] != ':') return fail("a port must follow the host");
  const auto digits = rest.substr(after_host + 1);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size() || port == 0) {
    return fail("the port is not in 1..65535");
  }
  url.port = std::to_string(port);
  return url;
}

}  // namespace vectorizer::client
