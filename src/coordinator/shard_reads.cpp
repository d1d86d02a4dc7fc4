#include "shard_reads.hpp"

namespace vectorizer::coordinator {

bool ShardReads::may_pass(ErrorType type) {
  return type == ErrorType::kShardUnavailable || type == ErrorType::kNodeUnreachable || type == ErrorType::kTimeout;
}

bool ShardReads::worth_waiting(std::span<const ShardId> open, const Deadline& deadline) const {
  const auto now = Deadline::Clock::now();
  const std::chrono::milliseconds patience(deadline.timeout_ms());
  bool worth = patience > kRetryInterval && now + kRetryInterval < deadline.at();
  for (const auto& shard : open) worth = ports_.outages.failed(shard, now) < patience && worth;
  return worth;
}

}  // namespace vectorizer::coordinator
