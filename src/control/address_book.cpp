#include "address_book.hpp"

#include "vectorizer/control/server_list.hpp"

namespace vectorizer::control {

void AddressBook::put(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint) {
  {
    const std::lock_guard lock(mutex_);
    auto& known = endpoints_[raft_id];
    auto& process = processes_[node];
    if (known == endpoint && process == raft_id) return;
    known = endpoint;
    process = raft_id;
  }
  on_change_(node, raft_id, endpoint);
}

void AddressBook::met(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint) {
  put(node, raft_id, endpoint);
}

void AddressBook::update(const cluster::ClusterMetadata& metadata) {
  for (const auto& [id, node] : metadata.nodes) {
    if (node.raft_id == 0 || node.status == cluster::NodeStatus::kRemoved) continue;
    const auto endpoint = make_endpoint(node.address, node.grpc_port);
    {
      const std::lock_guard lock(mutex_);
      auto& recorded = in_metadata_[node.raft_id];
      if (recorded == endpoint) continue;
      recorded = endpoint;
    }
    put(id, node.raft_id, endpoint);
  }
}

std::optional<std::string> AddressBook::endpoint_of(std::uint64_t raft_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = endpoints_.find(raft_id);
  if (found == endpoints_.end()) return std::nullopt;
  return found->second;
}

}  // namespace vectorizer::control
