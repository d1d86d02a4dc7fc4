#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <mutex>
#include <string>

#include "call_header.hpp"
#include "client_core.hpp"
#include "secret.hpp"

namespace vectorizer::rpc {

/// Whom a call must reach, and how errors and metrics name it.
struct Target {
  NodeId node;  ///< empty when only the address is known
  std::string endpoint;
  std::uint64_t raft_id = 0;

  const std::string& name() const { return node.value().empty() ? endpoint : node.value(); }
};

/// One connection to one address, made when it is needed and made again when it breaks, with the session in which calls
/// prove the secret. Thread-safe.
class Link {
 public:
  Link(const GrpcPeersOptions& options, std::string endpoint);

  const std::string& endpoint() const { return endpoint_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  /// Whether there is a connection, perhaps after waiting for one; false soon when the other end refuses.
  bool wait_until_connected(Clock::time_point deadline) const;

  /// Whether calls can be proven without waiting.
  bool session_ready() const;
  /// The session of this link; blocks to open it first, and checks that the other end knows the secret. Null without a
  /// secret.
  Result<std::shared_ptr<CallProver>> session(ClientCore& core, const Target& target, Clock::time_point deadline);
  /// The other end does not know it (any more).
  void forget_session(const std::shared_ptr<CallProver>& session);

 private:
  const std::string endpoint_;
  const bool secret_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::mutex opening_;        // one opens, the others wait for it
  mutable std::mutex mutex_;  // of session_
  std::shared_ptr<CallProver> session_;
};

/// A link with the stub of one service over it.
template <typename Service>
struct Line {
  Line(ClientCore& core, Target to)
      : target(std::move(to)), link(core.options, target.endpoint), stub(Service::NewStub(link.channel())) {}

  const Target target;
  Link link;
  const std::unique_ptr<typename Service::Stub> stub;
};

/// Remaining time as gRPC takes it: by the monotonic clock, so that a clock that is set does not end calls.
void set_deadline(grpc::ClientContext& context, Clock::time_point deadline);

}  // namespace vectorizer::rpc
