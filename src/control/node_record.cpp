#include "node_record.hpp"

#include <fmt/format.h>

#include <charconv>

namespace vectorizer::control {

Result<cluster::NodeRecord> record_of(const peer::Hello& hello) {
  const auto colon = hello.endpoint.rfind(':');
  cluster::NodeRecord node;
  if (colon != std::string::npos) {
    const char* const end = hello.endpoint.data() + hello.endpoint.size();
    const auto [stop, problem] = std::from_chars(hello.endpoint.data() + colon + 1, end, node.grpc_port);
    if (problem != std::errc() || stop != end) node.grpc_port = 0;
  }
  if (node.grpc_port == 0) {
    return Error{ErrorType::kValidation,
                 fmt::format("node '{}' says that it is reached at '{}', which is not host:port", hello.node.value(),
                             hello.endpoint)};
  }
  node.address = hello.endpoint.substr(0, colon);
  if (node.address.size() > 2 && node.address.front() == '[')
    node.address = node.address.substr(1, node.address.size() - 2);
  node.id = hello.node;
  node.rest_port = hello.rest_port;
  node.uuid = hello.uuid;
  node.raft_id = hello.raft_id;
  node.status = cluster::NodeStatus::kJoining;
  node.boot_epoch = hello.boot_epoch;
  node.boot_nonce = hello.boot_nonce;
  node.version = hello.version;
  node.protocol = hello.protocol;
  return node;
}

}  // namespace vectorizer::control
