#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "http_connection.hpp"

namespace vectorizer::client {

struct RetryPolicy {
  unsigned max_retries = 10;  ///< of one request
  std::chrono::milliseconds first_delay{100};
  std::chrono::milliseconds max_delay{10'000};
  /// A server's Retry-After is honoured up to here.
  std::chrono::milliseconds max_retry_after{60'000};
};

/// How long to wait before retry number `attempt` (from 0): doubling from the first delay up to the largest, scaled by
/// `jitter` in 0..1 to 50..100 %, and never less than what the server asked for.
std::chrono::milliseconds retry_delay(const RetryPolicy& policy, unsigned attempt, double jitter,
                                      std::optional<std::chrono::seconds> retry_after);

/// Whether another attempt may succeed: overloaded, unavailable (also a partial write) or timed out.
bool is_retryable(unsigned status);

/// Sends requests until they get an answer that is not "try again". Requests must be repeatable: reads, upserts.
/// One thread at a time.
class RetryingConnection {
 public:
  /// Gives up waiting as soon as `stop` is set.
  RetryingConnection(HttpConnection& connection, RetryPolicy policy, const std::atomic<bool>& stop)
      : connection_(connection), policy_(policy), stop_(stop), random_(std::random_device{}()) {}

  /// The body of a 2xx reply. Errors carry the server's error_type as far as a caller acts on it, and its message.
  Result<std::string> call(const HttpRequest& request);
  std::uint64_t retries() const { return retries_; }

 private:
  bool wait(std::chrono::milliseconds delay) const;

  HttpConnection& connection_;
  const RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  std::mt19937 random_;
  std::uint64_t retries_ = 0;
};

}  // namespace vectorizer::client
