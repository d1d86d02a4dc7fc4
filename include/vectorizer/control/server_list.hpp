#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"

namespace vectorizer::control {

/// A server that may be part of the cluster.
struct ListedServer {
  std::string name;      ///< its id in the configuration; its endpoint where it comes from DNS
  std::string endpoint;  ///< host:port, brackets around an IPv6 address
};

/// `host:port` as a URL writes it.
std::string make_endpoint(std::string_view host, std::uint16_t port);

/// Equal for equal sets of endpoints, in whatever order they are listed.
std::uint64_t servers_hash(const std::vector<ListedServer>& servers);

/// The addresses (A and AAAA) of a DNS name, sorted, each once. Blocks for as long as the system's resolver does.
Result<std::vector<std::string>> resolve_addresses(const std::string& name);

}  // namespace vectorizer::control
