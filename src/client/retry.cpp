#include "retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

namespace vectorizer::client {
namespace {

constexpr std::size_t kMaxEchoedBytes = 500;

/// What the server said, as one line: its error_type and message, or the start of a body of another shape.
std::string message_of(const HttpReply& reply) {
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  if (body.is_object() && body.contains("error_type") && body["error_type"].is_string() && body.contains("message") &&
      body["message"].is_string()) {
    std::string text = fmt::format("HTTP {} {}: {}", reply.status, body["error_type"].get<std::string>(),
                                   body["message"].get<std::string>());
    if (body.contains("details")) {
      text += " " + body["details"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    return text.substr(0, 2 * kMaxEchoedBytes);
  }
  return fmt::format("HTTP {}: {}", reply.status, reply.body.substr(0, kMaxEchoedBytes));
}

ErrorType type_of(unsigned status) {
  switch (status) {
    case 401:
      return ErrorType::kUnauthorized;
    case 404:
      return ErrorType::kNotFound;
    case 409:
      return ErrorType::kConflict;
    case 429:
      return ErrorType::kOverloaded;
    default:
      return status < 500 ? ErrorType::kValidation : ErrorType::kInternal;
  }
}

}  // namespace

std::chrono::milliseconds retry_delay(const RetryPolicy& policy, unsigned attempt, double jitter,
                                      std::optional<std::chrono::seconds> retry_after) {
  const auto doubled = policy.first_delay * (std::int64_t{1} << std::min(attempt, 20U));
  const auto full = std::min<std::chrono::milliseconds>(doubled, policy.max_delay);
  const auto scaled =
      std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(full.count()) * (0.5 + jitter / 2)));
  if (!retry_after) return scaled;
  return std::max(scaled, std::min<std::chrono::milliseconds>(*retry_after, policy.max_retry_after));
}

bool is_retryable(unsigned status) {
  return status == 429 || status == 503 || status == 504;
}

bool RetryingConnection::wait(std::chrono::milliseconds delay) const {
  // In slices, because a signal handler can set a flag but not wake a condition variable.
  constexpr std::chrono::milliseconds kSlice{50};
  const auto end = std::chrono::steady_clock::now() + delay;
  while (!stop_.load()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    std::this_thread::sleep_for(std::min(left, kSlice));
  }
  return false;
}

Result<std::string> RetryingConnection::call(const HttpRequest& request) {
  for (unsigned attempt = 0;; ++attempt) {
    auto reply = connection_.send(request);
    if (reply && reply->status >= 200 && reply->status < 300) return std::move(reply->body);
    Error error = reply ? Error{type_of(reply->status), message_of(*reply)} : reply.error();
    if (reply && !is_retryable(reply->status)) return error;
    if (attempt == policy_.max_retries) {
      error.message += fmt::format(" (after {} retries)", attempt);
      return error;
    }
    const double jitter = std::uniform_real_distribution<double>(0, 1)(random_);
    if (!wait(retry_delay(policy_, attempt, jitter, reply ? reply->retry_after : std::nullopt))) return error;
    ++retries_;
  }
}

}  // namespace vectorizer::client
