#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::cluster {

///   joining ──> active <──> unhealthy        (the leader of the metadata watches)
///                 └──────────┴──> draining <──> active
///   any ──> removed (for ever: the process may come back only under another raft_id, that is with an empty disk)
enum class NodeStatus : std::uint8_t { kJoining, kActive, kUnhealthy, kDraining, kRemoved };

std::string_view node_status_name(NodeStatus status);
std::optional<NodeStatus> node_status_from_name(std::string_view name);

/// A member as the metadata knows it. `id` is its place in the cluster; `uuid` and `raft_id` are those of its disk: a
/// wiped node has the same id and another uuid.
struct NodeRecord {
  NodeId id;
  std::string address;
  std::uint16_t grpc_port = 0;
  std::uint16_t rest_port = 0;
  std::string uuid;           ///< 32 hex digits; empty for a node that never was in a cluster
  std::uint64_t raft_id = 0;  ///< likewise 0
  NodeStatus status = NodeStatus::kActive;
  std::uint64_t boot_epoch = 0;
  std::uint64_t boot_nonce = 0;  ///< of its last start that the leader has seen
  std::string version;
  std::string problem;         ///< why a node that was added has not joined yet
  std::uint32_t protocol = 1;  ///< the largest that its build knows (protocol.hpp)
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

}  // namespace vectorizer::cluster
