#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "call_header.hpp"
#include "secret.hpp"
#include "server_metrics.hpp"

namespace vectorizer::rpc {

/// Who may call: those who know the secret, belong to this cluster and mean this process. Thread-safe.
class Admission {
 public:
  Admission(IdentitySource identity, SessionTable& sessions, ServerMetrics& metrics)
      : identity_(std::move(identity)), sessions_(sessions), metrics_(metrics) {}

  /// OK, or a refusal that says why.
  grpc::Status admit(const grpc::ServerContextBase& context, Method method);
  grpc::Status not_serving(Method method);
  grpc::Status queue_full(Method method);
  void stop() { stopping_ = true; }
  bool stopping() const { return stopping_; }

 private:
  grpc::Status check_secret(const grpc::ServerContextBase& context, const CallHeader& header, Method method);
  grpc::Status check_identity(const grpc::ServerContextBase& context, const CallHeader& header, const Identity& self,
                              Method method);
  /// Tells the operator, at most every ten seconds: who is refused comes again.
  void log_refusal(const grpc::ServerContextBase& context, const CallHeader& header, const std::string& why);

  const IdentitySource identity_;
  SessionTable& sessions_;
  ServerMetrics& metrics_;
  std::atomic<bool> stopping_{false};
  std::mutex log_mutex_;
  std::chrono::steady_clock::time_point next_log_{};
  std::uint64_t unlogged_ = 0;
};

}  // namespace vectorizer::rpc
