#include "vectorizer/control/server_list.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

namespace vectorizer::control {
namespace {

std::string text_of(const addrinfo& entry) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (entry.ai_family == AF_INET) {
    sockaddr_in address{};
    std::copy_n(reinterpret_cast<const char*>(entry.ai_addr), sizeof(address), reinterpret_cast<char*>(&address));
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  } else if (entry.ai_family == AF_INET6) {
    sockaddr_in6 address{};
    std::copy_n(reinterpret_cast<const char*>(entry.ai_addr), sizeof(address), reinterpret_cast<char*>(&address));
    ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

}  // namespace

std::string make_endpoint(std::string_view host, std::uint16_t port) {
  const bool ipv6 = host.find(':') != std::string_view::npos;
  return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::uint64_t servers_hash(const std::vector<ListedServer>& servers) {
  std::set<std::string> endpoints;
  for (const auto& server : servers) endpoints.insert(server.endpoint);
  std::string all;
  for (const auto& endpoint : endpoints) all += endpoint + '\n';
  return XXH3_64bits(all.data(), all.size());
}

Result<std::vector<std::string>> resolve_addresses(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int problem = ::getaddrinfo(name.c_str(), nullptr, &hints, &list); problem != 0) {
    return Error{ErrorType::kNodeUnreachable, fmt::format("DNS name '{}': {}", name, ::gai_strerror(problem))};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::set<std::string> addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (auto text = text_of(*entry); !text.empty()) addresses.insert(std::move(text));
  }
  return std::vector<std::string>(addresses.begin(), addresses.end());
}

}  // namespace vectorizer::control
