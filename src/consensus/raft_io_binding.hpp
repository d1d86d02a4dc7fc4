#pragma once

#include <functional>
#include <memory>
#include <string>

#include "raft_c.hpp"
#include "raft_store.hpp"

namespace vectorizer::consensus {

/// libraft's I/O object: timers and network are those of raft_uv, whatever must be durable is RaftStore's.
/// libraft hands the callbacks its first member only, so this must stay a standard-layout prefix: `io` first.
struct NodeIo {
  raft_io io{};
  struct Parts;
  Parts* parts = nullptr;
};

/// An InstallSnapshot that was held back.
struct HeldMessage {
  raft_message message{};
  std::string address;

  explicit HeldMessage(const raft_message& received) : message(received), address(received.server_address) {}
  HeldMessage(const HeldMessage&) = delete;
  HeldMessage& operator=(const HeldMessage&) = delete;
  /// Frees the snapshot unless it was delivered.
  ~HeldMessage();
  bool delivered = false;
};

struct NodeIo::Parts {
  RaftStore& store;
  RaftStore::Post post;

  // raft_uv's own.
  decltype(raft_io::close) close_network = nullptr;
  decltype(raft_io::send) send = nullptr;
  decltype(raft_io::start) start = nullptr;

  bool closing = false;
  raft_io_recv_cb receive = nullptr;
  unsigned snapshots_in_flight = 0;
  std::unique_ptr<HeldMessage> held;
  std::uint64_t messages_held = 0;
};

/// Replaces the durable half of an initialised raft_uv `io` by `parts.store`, and guards libraft 0.22.1:
///
/// - It crashes when an InstallSnapshot arrives while a snapshot of its own is being written (it reads the pending
///   request after it has cleared it). The newest such message waits until the write is done; Raft takes it for a slow
///   network.
/// - After a failed write nothing is sent any more, so that nobody relies on what was not stored.
///
/// Both outlive `io`.
void bind_io(NodeIo& io, NodeIo::Parts& parts);

}  // namespace vectorizer::consensus
