#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/byte_stream.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/rpc/grpc_peers.hpp"
#include "vectorizer/rpc/identity.hpp"

namespace vectorizer::rpc {

/// Threads and waiting calls of one kind. Kinds do not wait for each other: a node whose disks are slow still beats.
struct LaneSize {
  std::size_t threads;
  std::size_t queue;
};

struct PeerServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;                   ///< 0: the system chooses
  std::string secret;                       ///< cluster.secret; empty for none
  std::chrono::milliseconds timeout{5000};  ///< a checkpoint that makes no progress for so long ends
  std::uint64_t max_message_bytes = kMaxMessageBytes;
  std::uint64_t max_request_bytes = 1ULL << 30;  ///< of all requests being handled or waiting
  LaneSize reads{8, 256};
  LaneSize writes{16, 256};
  LaneSize replication{8, 1024};
  LaneSize checkpoints{2, 4};
  LaneSize beats{4, 256};             ///< beat, hello, remembered
  LaneSize changes{4, 64};            ///< claim, join, propose, barrier, you_are_removed
  std::size_t max_raft_streams = 64;  ///< each holds a thread
};

/// Who answers. Null is answered as a node that does not serve that yet. They outlive the server, or its stop().
struct PeerHandlers {
  peer::Peer* data = nullptr;
  peer::ReplicationPeer* replication = nullptr;
  peer::MembershipPeer* membership = nullptr;
  /// Serves a Raft stream that another member opened, on the calling thread, until it ends. The stream counts as
  /// accepted with the first read; an error before that is what the other side gets.
  std::function<Result<void>(const peer::StreamRoute&, peer::ByteStream&)> raft_stream;
};

/// The port between nodes: serves PeerHandlers to the members of the same cluster, and the standard health and
/// reflection services to everyone. Thread-safe.
class PeerServer {
 public:
  virtual ~PeerServer() = default;
  /// The one it listens on.
  virtual std::uint16_t port() const = 0;
  /// From the next call on.
  virtual void serve(PeerHandlers handlers) = 0;
  /// Refuses new calls, gives those in flight until `grace`, then ends them; returns once no handler runs any more.
  /// Idempotent.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

/// @param metrics outlives it. The destructor stops without grace.
Result<std::unique_ptr<PeerServer>> start_peer_server(PeerServerOptions options, IdentitySource identity,
                                                      PeerHandlers handlers, MetricsRegistry& metrics);

}  // namespace vectorizer::rpc
