#include "call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "error_codec.hpp"

namespace vectorizer::rpc {
namespace {

/// In the details of a refusal: open another session and come again.
constexpr std::string_view kSessionLost = R"("reason":"session")";

/// Between half of the back-off and all of it, so that those who failed together do not come back together.
Clock::duration jittered(std::chrono::milliseconds backoff) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::int64_t> of(backoff.count() * 500, backoff.count() * 1000);
  return std::chrono::microseconds(of(random));
}

bool may_pass(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::UNKNOWN;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Error unreachable_error(const Target& target, std::string_view why) {
  std::string message = fmt::format("Failed to get client for node '{}'", target.name());
  if (!target.endpoint.empty() && target.endpoint != target.name()) message += fmt::format(" ({})", target.endpoint);
  return Error{ErrorType::kNodeUnreachable, fmt::format("{}: {}", message, why)}.with("node", target.name());
}

Error stopped_error(const Target& target) {
  return unreachable_error(target, "this node is shutting down");
}

Error unanswered_error(const grpc::Status& status, const Target& target, std::string_view what,
                       Clock::time_point deadline, bool changes) {
  Error error;
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      (status.error_code() == grpc::StatusCode::CANCELLED && Clock::now() >= deadline)) {
    error = Error{ErrorType::kTimeout, fmt::format("node '{}' did not answer in time: {}", target.name(), what)}.with(
        "node", target.name());
  } else if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
             status.error_message().find("larger than max") != std::string::npos) {
    error = Error{ErrorType::kPayloadTooLarge, fmt::format("a message between this node and node '{}' is too large: {}",
                                                           target.name(), status.error_message())}
                .with("node", target.name());
  } else if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return Error{ErrorType::kInternal,
                 fmt::format("node '{}' does not know this call, {}: another version?", target.name(), what)}
        .with("node", target.name());
  } else {
    error = unreachable_error(target, status.error_message().empty() ? "the connection broke" : status.error_message());
  }
  if (changes) error.with("outcome", "unknown");
  return error;
}

Error call_error(const grpc::Status& status, const Target& target, Method method, Clock::time_point deadline) {
  if (auto refused = refusal_of(status)) {
    return *std::move(refused);
  }
  return unanswered_error(status, target, rules(method).name, deadline, rules(method).changes);
}

Error as_unreachable(Error error, const Target& target) {
  if (error.type != ErrorType::kForbidden && error.type != ErrorType::kUnauthorized) return error;
  return unreachable_error(target, error.message);
}

Result<void> as_unreachable(Result<void> result, const Target& target) {
  if (result) return result;
  return as_unreachable(std::move(result).error(), target);
}

bool is_session_lost(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::UNAUTHENTICATED) return false;
  const auto refused = refusal_of(status);
  return refused && refused->details.find(kSessionLost) != std::string::npos;
}

Result<void> check_size(const ClientCore& core, const Target& target, Method method,
                        const google::protobuf::Message& request) {
  const std::size_t bytes = request.ByteSizeLong();
  if (bytes <= core.options.max_message_bytes) return {};
  return Error{ErrorType::kPayloadTooLarge,
               fmt::format("{} to node '{}' would be a message of {} bytes, at most {} are allowed", rules(method).name,
                           target.name(), bytes, core.options.max_message_bytes)}
      .with("node", target.name())
      .with("bytes", bytes)
      .with("limit", core.options.max_message_bytes);
}

void prepare(grpc::ClientContext& context, ClientCore& core, const Target& target, Method method,
             const std::shared_ptr<CallProver>& session, Clock::time_point deadline) {
  const Identity self = core.identity();
  const CallHeader header{self.cluster_id, self.node.value(), self.raft_id, target.node.value(), target.raft_id};
  header.write(context);
  if (session) context.AddMetadata(kProofKey, session->prove(header.proven_bytes(method)));
  if (deadline != Clock::time_point::max()) set_deadline(context, deadline);
}

Result<void> run_call(ClientCore& core, Link& link, const Target& target, Method method,
                      const google::protobuf::Message& request, Clock::time_point deadline,
                      const std::function<grpc::Status(grpc::ClientContext*)>& once) {
  const auto failed = [&](Error error) {
    core.metrics.failed(target.name(), method, error.type);
    return error;
  };
  const Clock::time_point start = Clock::now();
  if (auto fits = check_size(core, target, method, request); !fits) return failed(fits.error());
  std::uint32_t repeats_left = rules(method).repeatable ? core.options.retry_count : 0;
  std::chrono::milliseconds backoff = core.options.first_backoff;
  bool reopened = false;
  for (;;) {
    // What changes something is sent over a connection that stands: then a failure before this point did nothing.
    if (rules(method).changes &&
        !link.wait_until_connected(std::min(deadline, Clock::now() + core.options.connect_timeout))) {
      return failed(unreachable_error(target, "there is no connection to it"));
    }
    auto session = link.session(core, target, deadline);
    grpc::Status status;
    if (session) {
      grpc::ClientContext context;
      prepare(context, core, target, method, *session, deadline);
      if (!core.calls.add(context)) return stopped_error(target);
      status = once(&context);
      core.calls.remove(context);
      if (status.ok()) {
        core.metrics.answered(target.name(), method, seconds_since(start));
        return {};
      }
      if (is_session_lost(status) && !reopened) {  // turned away before anyone acted: any call may come again
        link.forget_session(*session);
        reopened = true;
        continue;
      }
    }
    Error error = failed(session ? call_error(status, target, method, deadline) : session.error());
    const bool worth_it = session ? may_pass(status) : error.type == ErrorType::kNodeUnreachable;
    const Clock::time_point next = Clock::now() + jittered(backoff);
    if (!worth_it || repeats_left == 0 || next >= deadline || core.calls.stopped()) return error;
    --repeats_left;
    core.calls.sleep_until(next);
    backoff = std::min(backoff * 2, core.options.max_backoff);
  }
}

}  // namespace vectorizer::rpc
