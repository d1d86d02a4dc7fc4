#pragma once

#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

/// Where a server listens.
struct Url {
  std::string host;
  std::string port;
  /// As it was meant: "http://host:port", with brackets around an IPv6 address.
  std::string text() const;
};

/// Reads "http://host[:port][/]"; the port defaults to 15002. Anything else, https too, is an error that says why.
Result<Url> parse_url(std::string_view text);

}  // namespace vectorizer::client
