#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/peer/byte_stream.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/rpc/identity.hpp"

namespace vectorizer::rpc {

/// What one message between nodes may weigh: the largest body of a client (server.max_body_bytes) and room around it.
inline constexpr std::uint64_t kMaxMessageBytes = (64ULL << 20) + (2ULL << 20);

struct GrpcPeersOptions {
  std::chrono::milliseconds timeout{5000};      ///< cluster.timeout_ms: one call with all of its attempts
  std::uint32_t retry_count = 3;                ///< further attempts of what may be repeated
  std::chrono::milliseconds first_backoff{20};  ///< before the first of them; doubles, with jitter
  std::chrono::milliseconds max_backoff{1000};  ///< between attempts, and between attempts to connect
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds keepalive{1500};  ///< a connection with calls that is silent for so long is asked
  std::string secret;                         ///< cluster.secret; empty for none
  std::uint64_t max_message_bytes = kMaxMessageBytes;
};

/// The other nodes, over gRPC. A node is known from set_endpoint on. Each concern has a connection of its own to each
/// node, so that a beat never waits behind a batch of vectors; a checkpoint and a Raft stream have one each.
///
/// Calls fail within `timeout`. Reads and hellos are tried again within it; what changes something never is: if its
/// answer does not come, the error has `outcome: "unknown"` in its details, and without that nothing was done. A node
/// that turns a call away as a stranger's (another cluster, another process at that address, another secret) is
/// kNodeUnreachable to who reads, writes and replicates; MembershipPeer says kForbidden or kUnauthorized.
///
/// Thread-safe.
class GrpcPeers : public peer::PeerDirectory,
                  public peer::ReplicationDirectory,
                  public peer::MembershipDirectory,
                  public peer::StreamConnector {
 public:
  /// `endpoint` is host:port, [address]:port for IPv6. Calls in flight to a former endpoint finish there.
  /// @param raft_id of the process that must answer; 0 if any may that calls itself `node`.
  virtual void set_endpoint(const NodeId& node, const std::string& endpoint, std::uint64_t raft_id = 0) = 0;
  /// Pointers from find() stay valid; calls through them fail.
  virtual void forget(const NodeId& node) = 0;
  /// Cancels what is in flight and waits for it; every later call fails. Idempotent.
  virtual void stop() = 0;
};

/// @param metrics outlives it.
std::unique_ptr<GrpcPeers> make_grpc_peers(GrpcPeersOptions options, IdentitySource identity, MetricsRegistry& metrics);

}  // namespace vectorizer::rpc
