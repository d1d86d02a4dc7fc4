#include "admission.hpp"

#include <fmt/format.h>

#include "error_codec.hpp"
#include "vectorizer/base/log.hpp"

namespace vectorizer::rpc {
namespace {

using grpc::StatusCode;
using Rejection = ServerMetrics::Rejection;

std::string shown(const std::string& text) {
  return text.empty() ? "none" : fmt::format("'{}'", text);
}

}  // namespace

grpc::Status Admission::admit(const grpc::ServerContextBase& context, Method method) {
  const Identity self = identity_();
  if (stopping_) {
    metrics_.rejected(Rejection::kStopping).Increment();
    return refusal(StatusCode::UNAVAILABLE,
                   Error{ErrorType::kNodeUnreachable,
                         fmt::format("Failed to get client for node '{}': it is shutting down", self.node.value())}
                       .with("node", self.node.value()));
  }
  const CallHeader header = CallHeader::read(context);
  if (auto status = check_secret(context, header, method); !status.ok()) return status;
  return check_identity(context, header, self, method);
}

grpc::Status Admission::check_secret(const grpc::ServerContextBase& context, const CallHeader& header, Method method) {
  if (!sessions_.enabled()) return grpc::Status::OK;
  const auto verdict = sessions_.check(metadata_of(context, kProofKey), header.proven_bytes(method));
  std::string why;
  switch (verdict) {
    case SessionTable::Verdict::kProven:
      return grpc::Status::OK;
    case SessionTable::Verdict::kUnknownSession:  // a restart of this process, mostly: nothing to count or to tell
      return refusal(StatusCode::UNAUTHENTICATED,
                     Error{ErrorType::kUnauthorized, "this session is not known here"}.with("reason", "session"));
    case SessionTable::Verdict::kMissing:
      why = "the call does not prove that its sender knows cluster.secret: is it set there?";
      break;
    case SessionTable::Verdict::kWrong:
      why = "the sender has another cluster.secret than this node";
      break;
    case SessionTable::Verdict::kReplayed:
      why = "the call was made before: somebody repeats what he recorded";
      break;
  }
  metrics_.rejected(Rejection::kSecret).Increment();
  log_refusal(context, header, why);
  return refusal(StatusCode::UNAUTHENTICATED, Error{ErrorType::kUnauthorized, why}.with("reason", "secret"));
}

grpc::Status Admission::check_identity(const grpc::ServerContextBase& context, const CallHeader& header,
                                       const Identity& self, Method method) {
  std::string why;
  if (!rules(method).open_to_strangers && (self.cluster_id.empty() || header.cluster != self.cluster_id)) {
    why = fmt::format("node '{}' belongs to cluster {}, the sender '{}' to cluster {}", self.node.value(),
                      shown(self.cluster_id), header.from, shown(header.cluster));
  } else if (!header.to.empty() && header.to != self.node.value()) {
    why = fmt::format("this is node '{}', the sender '{}' means node '{}'", self.node.value(), header.from, header.to);
  } else if (header.to_raft != 0 && header.to_raft != self.raft_id) {
    why =
        fmt::format("this is the process {:x} of node '{}', the sender '{}' means {:x}, which had this address before",
                    self.raft_id, self.node.value(), header.from, header.to_raft);
  } else {
    return grpc::Status::OK;
  }
  metrics_.rejected(Rejection::kStranger).Increment();
  log_refusal(context, header, why);
  return refusal(StatusCode::FAILED_PRECONDITION, Error{ErrorType::kForbidden, why}.with("reason", "stranger"));
}

grpc::Status Admission::not_serving(Method method) {
  metrics_.rejected(Rejection::kNotServing).Increment();
  const std::string node = identity_().node.value();
  return refusal(
      StatusCode::UNAVAILABLE,
      Error{ErrorType::kNodeUnreachable,
            fmt::format("Failed to get client for node '{}': it does not serve {} yet", node, rules(method).name)}
          .with("node", node));
}

grpc::Status Admission::queue_full(Method method) {
  metrics_.rejected(Rejection::kQueueFull).Increment();
  const std::string node = identity_().node.value();
  return refusal(StatusCode::RESOURCE_EXHAUSTED,
                 Error{ErrorType::kOverloaded,
                       fmt::format("node '{}' has too many calls of other nodes waiting: {}", node, rules(method).name)}
                     .with("node", node));
}

void Admission::log_refusal(const grpc::ServerContextBase& context, const CallHeader& header, const std::string& why) {
  std::uint64_t before = 0;
  {
    const std::lock_guard lock(log_mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now < next_log_) {
      ++unlogged_;
      return;
    }
    next_log_ = now + std::chrono::seconds(10);
    before = std::exchange(unlogged_, 0);
  }
  spdlog::warn("refused a call from '{}' at {}: {}{}", header.from, context.peer(), why,
               before == 0 ? "" : fmt::format(" ({} refusals before it were not logged)", before));
}

}  // namespace vectorizer::rpc
