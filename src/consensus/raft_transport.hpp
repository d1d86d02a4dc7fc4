#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "event_loop.hpp"
#include "raft_c.hpp"
#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::consensus {

/// raft_uv's connections, carried by byte streams: each end of a stream is pumped through a socket pair whose other end
/// raft_uv has. raft_uv writes on connections that it opened and reads on those that it accepted, never both.
///
///   raft_uv ─ socket pair ─ pump thread ─ ByteStream ~~~~ ByteStream ─ serve() ─ socket pair ─ raft_uv
class RaftTransport {
 public:
  RaftTransport(EventLoop& loop, peer::StreamConnector& connector);
  /// After the loop has ended; waits for the threads of streams and for calls of `serve`.
  ~RaftTransport();
  RaftTransport(const RaftTransport&) = delete;
  RaftTransport& operator=(const RaftTransport&) = delete;

  raft_uv_transport* get() { return &transport_; }
  /// See RaftMetadataLog::serve. Any thread.
  Result<void> serve(const peer::StreamRoute& route, peer::ByteStream& stream);
  /// Refuses new streams and ends the open ones. Any thread.
  void shut_down();

 private:
  struct Outgoing;
  struct Incoming {
    peer::ByteStream* stream = nullptr;
    int socket = -1;
  };

  static int init(raft_uv_transport* transport, raft_id id, const char* address);
  static int listen(raft_uv_transport* transport, raft_uv_accept_cb accepted);
  static int connect(raft_uv_transport* transport, raft_uv_connect* request, raft_id id, const char* address,
                     raft_uv_connect_cb done);
  static void close(raft_uv_transport* transport, raft_uv_transport_close_cb done);

  void reap();
  void pump(Outgoing& outgoing, const std::stop_token& stop);
  void connected(Outgoing& outgoing, int socket);
  uv_stream_t* adopt(int socket);
  Result<void> admit(const peer::StreamRoute& route, peer::ByteStream& stream, int ours);
  void leave(std::uint64_t from, const peer::ByteStream& stream);

  EventLoop& loop_;
  peer::StreamConnector& connector_;
  raft_uv_transport transport_{};

  // Of the loop's thread.
  std::list<std::shared_ptr<Outgoing>> outgoing_;
  raft_uv_accept_cb accepted_ = nullptr;
  bool closing_ = false;

  std::mutex mutex_;
  std::condition_variable left_;  // a call of serve ended
  raft_id id_ = 0;
  std::string address_;
  bool listening_ = false;
  std::map<std::uint64_t, Incoming> incoming_;  // the newest stream of each member
  std::size_t serving_ = 0;
};

}  // namespace vectorizer::consensus
