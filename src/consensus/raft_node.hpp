#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "event_loop.hpp"
#include "raft_c.hpp"
#include "raft_io_binding.hpp"
#include "raft_store.hpp"
#include "raft_transport.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"

namespace vectorizer::consensus {

/// What a command came to: the state after it, or why it was refused.
using Applied = Result<std::shared_ptr<const cluster::ClusterMetadata>>;

/// What the log is applied to. Called on the loop's thread, which must not wait: everything else of Raft does
/// meanwhile.
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  /// Deterministic. The outer error means that the command cannot be understood: the member stops rather than differ.
  virtual Result<Applied> apply(std::string_view command) = 0;
  virtual std::string snapshot() = 0;
  virtual Result<void> restore(std::string_view snapshot) = 0;
};

/// The command in an entry of the log, without what stands in front of it for its proposer.
Result<std::string_view> command_of_entry(std::string_view bytes);

/// libraft on a thread of its own. Requests may come from any thread; each future is fulfilled in the end, when the
/// request is committed, refused or given up, so callers set the deadline. Errors are those of RaftMetadataLog.
class RaftNode {
 public:
  struct Callbacks {
    std::function<void(const RaftStatus&)> changed;  ///< term, leader or role; on the loop
    std::function<void(const Error&)> failed;        ///< once, on the loop
  };

  /// Loads and starts. @param machine, connector outlive the node.
  static Result<std::unique_ptr<RaftNode>> start(const RaftOptions& options, StateMachine& machine,
                                                 peer::StreamConnector& connector, Callbacks callbacks);
  static Result<std::unique_ptr<RaftNode>> start(const RaftOptions& options, std::unique_ptr<RaftStore> store,
                                                 StateMachine& machine, peer::StreamConnector& connector,
                                                 Callbacks callbacks);
  /// Writes what is queued and stops.
  ~RaftNode();
  RaftNode(const RaftNode&) = delete;
  RaftNode& operator=(const RaftNode&) = delete;

  std::future<Applied> submit(std::string command);
  std::future<Result<void>> barrier();
  std::future<Result<void>> add(raft_id id);
  std::future<Result<void>> assign(raft_id id, MemberRole role);
  std::future<Result<void>> remove(raft_id id);
  std::future<Result<void>> transfer(raft_id id);  ///< 0: to any voter

  RaftStatus status() const;
  std::vector<Member> members() const;
  std::optional<Error> failure() const { return store_->failure(); }
  Result<void> checkpoint(const std::filesystem::path& directory) const { return store_->checkpoint(directory); }
  Result<void> serve(const peer::StreamRoute& route, peer::ByteStream& stream) {
    return transport_.serve(route, stream);
  }
  std::uint64_t messages_held() const { return messages_held_; }
  /// For tests: stops as if the process had died. What is not on the disk by now never gets there.
  void crash();

 private:
  struct Request;
  template <typename Outcome>
  struct Waiting;
  RaftNode(const RaftOptions& options, StateMachine& machine, peer::StreamConnector& connector, Callbacks callbacks);

  Result<void> begin();
  void configure();
  void begin_close();
  void stop();
  void on_failure(const Error& error);
  void fail_rest();
  void publish();

  Error no_leader();
  Error refusal(int status);
  Error outcome_of(int status);
  std::optional<Error> cannot_change();
  template <typename Outcome, typename Start>
  std::future<Outcome> request(Start start);
  static void change_done(struct raft_change* done, int status);
  void start_barrier();
  void finish_barrier(const Result<void>& outcome);

  int apply(const raft_buffer& buffer);
  raft_buffer take_snapshot();
  int restore(raft_buffer& buffer);

  const RaftOptions options_;
  const std::string address_;
  StateMachine& machine_;
  const Callbacks callbacks_;
  const std::uint64_t nonce_;  // tells the commands of this process from those of others and of earlier ones

  EventLoop loop_;
  RaftTransport transport_;
  std::unique_ptr<RaftStore> store_;
  std::optional<NodeIo::Parts> parts_;
  NodeIo io_;
  raft_fsm fsm_{};
  raft raft_{};
  bool io_ready_ = false;
  bool raft_ready_ = false;
  bool closing_ = false;   // no request is taken any more
  bool closed_ = false;    // libraft is gone
  bool stopping_ = false;  // the loop ends as well

  std::uint64_t next_sequence_ = 0;
  std::unordered_map<std::uint64_t, Request*> submitted_;  // by sequence
  std::unordered_set<Request*> requests_;
  std::vector<std::promise<Result<void>>> barrier_waiters_;  // of the next barrier
  std::vector<std::promise<Result<void>>> barrier_in_flight_;
  struct raft_barrier barrier_ {};

  mutable std::mutex view_mutex_;
  RaftStatus view_;
  std::vector<Member> members_;
  std::atomic<std::uint64_t> messages_held_{0};
  std::thread thread_;
};

}  // namespace vectorizer::consensus
