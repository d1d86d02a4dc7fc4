#include "member_state.hpp"

#include "vectorizer/model/protocol.hpp"

namespace vectorizer::control {

std::string MemberState::endpoint() const {
  if (!options.endpoint.empty()) return options.endpoint;
  const std::lock_guard lock(mutex_);
  return met_itself_at_;
}

void MemberState::found_itself_at(const std::string& endpoint) {
  const std::lock_guard lock(mutex_);
  met_itself_at_ = endpoint;
}

peer::Hello MemberState::hello() const {
  const auto self = identity.current();
  peer::Hello hello;
  hello.node = options.self;
  hello.uuid = self.uuid;
  hello.raft_id = self.raft_id;
  hello.endpoint = endpoint();
  hello.cluster_id = self.cluster_id;
  hello.state = self.state;
  hello.claimed_by = self.claimed_by;
  hello.claimed_by_endpoint = self.claimed_by_endpoint;
  hello.has_data = !options.initial.collections.empty();
  hello.servers_hash = servers_hash;
  hello.expected_nodes = options.expected_nodes;
  hello.boot_epoch = self.boot_epoch;
  hello.boot_nonce = self.boot_nonce;
  hello.previous_nonce = self.earlier_nonces.empty() ? 0 : self.earlier_nonces.front();
  hello.rest_port = options.rest_port;
  hello.version = options.version;
  hello.protocol = known_protocol();
  hello.uptime_seconds = std::chrono::duration<double>(boot_now() - started).count();
  const bool alone = self.state == peer::IdentityState::kVirgin || self.state == peer::IdentityState::kClaimed;
  if (options.restored && alone) hello.restored = options.restored->data;
  if (const auto raft = log.raft()) {
    if (const auto id = raft->leader_raft_id(); id != 0) hello.leader_endpoint = book.endpoint_of(id).value_or("");
  }
  return hello;
}

void MemberState::describe_metadata(peer::Hello& hello) const {
  const auto metadata = log.current();
  hello.metadata_epoch = metadata->epoch;
  hello.metadata_digest = cluster::metadata_digest(*metadata);
}

}  // namespace vectorizer::control
