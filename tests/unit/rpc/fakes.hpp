#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/rpc/grpc_peers.hpp"
#include "vectorizer/rpc/peer_server.hpp"

namespace vectorizer::rpc::testing {

using std::chrono::milliseconds;

/// Opened once; who waits for it goes on. A test's bound on waiting is its failure.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait(milliseconds bound = milliseconds(20000)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, bound, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// Records what it is asked and answers what the test says.
class FakePeer final : public peer::Peer {
 public:
  std::function<std::vector<peer::ShardWriteReply>(std::vector<peer::ShardWrite>)> on_write;
  std::function<std::vector<peer::ShardSearchReply>(std::span<const ShardId>, const SearchQuery&)> on_search;
  std::function<Result<std::vector<std::optional<Point>>>(const ShardId&, std::span<const PointId>, const Projection&)>
      on_get;
  std::function<Result<peer::ShardPage>(const ShardId&, const ScrollQuery&)> on_scroll;
  std::function<Result<std::uint64_t>(const ShardId&, const std::optional<Filter>&)> on_count;
  std::function<Result<std::vector<PointId>>(const ShardId&, const Filter&, const std::optional<PointId>&, std::size_t)>
      on_matching;
  std::function<Result<std::vector<peer::ShardReport>>(std::span<const ShardId>)> on_report;
  std::function<Result<peer::ShardDigest>(const ShardId&)> on_digest;
  std::function<Result<peer::CopySlice>(const ShardId&, const peer::SliceOrder&)> on_slice;
  ReadFrom from;  ///< of the last get or scroll

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override {
    return on_write(std::move(writes));
  }
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override {
    return on_search(shards, query);
  }
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds> wanted, const Projection& what,
                                                       const ReadFrom& who) override {
    from = who;
    std::vector<peer::ShardReply<peer::ShardPoints>> replies;
    for (const auto& [shard, ids] : wanted) replies.push_back({shard, on_get(shard, ids, what)});
    return replies;
  }
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                        const ReadFrom& who) override {
    from = who;
    std::vector<peer::ShardReply<peer::ShardPage>> replies;
    for (const auto& shard : shards) replies.push_back({shard, on_scroll(shard, query)});
    return replies;
  }
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards,
                                                     const std::optional<Filter>& filter, const ReadFrom&) override {
    std::vector<peer::ShardReply<std::uint64_t>> replies;
    for (const auto& shard : shards) replies.push_back({shard, on_count(shard, filter)});
    return replies;
  }
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override {
    return on_matching(shard, filter, after, limit);
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override { return on_report(shards); }
  Result<peer::ShardDigest> digest(const ShardId& shard) override { return on_digest(shard); }
  Result<peer::CopySlice> slice(const ShardId& shard, const peer::SliceOrder& order) override {
    return on_slice(shard, order);
  }
};

/// The answer of one shard.
inline Result<std::uint64_t> count_of(peer::Peer& peer, const ShardId& shard, const std::optional<Filter>& filter) {
  auto replies = peer.count({&shard, 1}, filter, ReadFrom());
  if (replies.size() != 1 || replies[0].shard != shard) return Error{ErrorType::kInternal, "not one answer"};
  return std::move(replies[0].answer);
}

class FakeReplication final : public peer::ReplicationPeer {
 public:
  std::function<void(peer::ReplicateRequest, OnReply)> on_replicate;
  std::function<Result<void>(const ShardId&, std::uint64_t, peer::CheckpointSink&)> on_fetch;

  void replicate(peer::ReplicateRequest request, OnReply on_reply) override {
    on_replicate(std::move(request), std::move(on_reply));
  }
  Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) override {
    return on_fetch(shard, term, sink);
  }
};

class FakeMembership final : public peer::MembershipPeer {
 public:
  std::function<Result<peer::Hello>(const peer::Hello&)> on_hello;
  std::function<Result<peer::Remembered>(const peer::Positions&)> on_remembered;
  std::function<Result<void>(const peer::ClaimRequest&)> on_claim;
  std::function<Result<void>(const peer::Hello&)> on_join;
  std::function<Result<void>(const std::string&)> on_removed;
  std::function<Result<peer::BeatReply>(const peer::Beat&)> on_beat;
  std::function<Result<std::uint64_t>(const std::string&)> on_propose;
  std::function<Result<std::uint64_t>()> on_barrier;

  Result<peer::Hello> hello(const peer::Hello& self) override { return on_hello(self); }
  Result<peer::Remembered> remembered(const peer::Positions& told) override { return on_remembered(told); }
  Result<void> claim(const peer::ClaimRequest& request) override { return on_claim(request); }
  Result<void> join(const peer::Hello& newcomer) override { return on_join(newcomer); }
  Result<void> you_are_removed(const std::string& cluster_id) override { return on_removed(cluster_id); }
  Result<peer::BeatReply> beat(const peer::Beat& beat) override { return on_beat(beat); }
  Result<std::uint64_t> propose(const std::string& command) override { return on_propose(command); }
  Result<std::uint64_t> barrier() override { return on_barrier(); }
};

/// An identity that a test may change while calls go on.
class TestIdentity {
 public:
  explicit TestIdentity(Identity first) : value_(std::move(first)) {}
  void set(Identity value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
  }
  IdentitySource source() {
    return [this] {
      const std::lock_guard lock(mutex_);
      return value_;
    };
  }

 private:
  std::mutex mutex_;
  Identity value_;
};

inline const NodeId kServerNode{"node-2"};
inline constexpr std::uint64_t kServerRaft = 22;
inline constexpr std::uint64_t kClientRaft = 11;

/// One server with fakes behind it and one client that knows it as node-2.
struct Pair {
  explicit Pair(const std::string& server_secret = {}, const std::string& client_secret = {}) {
    server_options.secret = server_secret;
    server_options.timeout = milliseconds(5000);
    client_options.secret = client_secret;
    client_options.timeout = milliseconds(5000);
  }
  ~Pair() {
    if (peers) peers->stop();
    if (server) server->stop(milliseconds(0));
  }

  void start() {
    start_server();
    start_client();
  }
  void start_server() {
    PeerHandlers handlers{&data, &replication, &membership, raft_stream};
    auto started = start_peer_server(server_options, server_identity.source(), handlers, server_metrics);
    if (!started) throw std::runtime_error(started.error().message);
    server = *std::move(started);
    server_options.port = server->port();
  }
  void start_client() {
    peers = make_grpc_peers(client_options, client_identity.source(), client_metrics);
    peers->set_endpoint(kServerNode, endpoint(), kServerRaft);
  }
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(server_options.port); }

  peer::Peer& peer() { return *peers->find(kServerNode); }
  std::shared_ptr<peer::ReplicationPeer> replica() { return peers->replication(kServerNode); }
  std::shared_ptr<peer::MembershipPeer> member() { return peers->membership(endpoint()); }

  MetricsRegistry server_metrics, client_metrics;
  TestIdentity server_identity{{"cluster-a", kServerNode, kServerRaft}};
  TestIdentity client_identity{{"cluster-a", NodeId("node-1"), kClientRaft}};
  FakePeer data;
  FakeReplication replication;
  FakeMembership membership;
  std::function<Result<void>(const peer::StreamRoute&, peer::ByteStream&)> raft_stream;
  PeerServerOptions server_options;
  GrpcPeersOptions client_options;
  std::unique_ptr<PeerServer> server;
  std::unique_ptr<GrpcPeers> peers;
};

}  // namespace vectorizer::rpc::testing
