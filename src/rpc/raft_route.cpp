#include "raft_route.hpp"

#include <charconv>

namespace vectorizer::rpc {
namespace {

constexpr const char* kFrom = "raft-from";
constexpr const char* kTo = "raft-to";
constexpr const char* kAddress = "raft-address-bin";

std::uint64_t number_of(const std::optional<std::string>& text) {
  std::uint64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

void write_route(const peer::StreamRoute& route, grpc::ClientContext& context) {
  context.AddMetadata(kFrom, std::to_string(route.from));
  context.AddMetadata(kTo, std::to_string(route.to));
  context.AddMetadata(kAddress, route.from_address);
}

peer::StreamRoute read_route(const grpc::ServerContextBase& context) {
  return {number_of(metadata_of(context, kFrom)), number_of(metadata_of(context, kTo)),
          metadata_of(context, kAddress).value_or("")};
}

}  // namespace vectorizer::rpc
