#include "idempotency.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace vectorizer::rest {
namespace {

// 409 is for the request that is refused, not for the one to which the key belongs, which may still come.
bool definite(int status) {
  return status < 500 && status != 408 && status != 409 && status != 429;
}

}  // namespace

IdempotencyCache::Fingerprint IdempotencyCache::fingerprint(const Request& request, std::string_view target) {
  std::string head(method_name(request.method));
  head += ' ';
  head += target;
  const auto seed = XXH3_64bits(head.data(), head.size());
  const auto hash = XXH3_128bits_withSeed(request.body.data(), request.body.size(), seed);
  return {hash.low64, hash.high64};
}

bool IdempotencyCache::valid_key(std::string_view key) {
  return !key.empty() && key.size() <= 128 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

IdempotencyCache::Claim IdempotencyCache::begin(const std::string& key, Fingerprint fingerprint,
                                                Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  make_room(now);
  const auto [place, inserted] = entries_.try_emplace(key);
  Entry& entry = place->second;
  if (inserted) {
    entry.fingerprint = fingerprint;
    return {Verdict::kRun, {}};
  }
  if (entry.fingerprint != fingerprint) return {Verdict::kMismatch, {}};
  if (!entry.done) return {Verdict::kRunning, {}};
  return {Verdict::kReplay, entry.response};
}

void IdempotencyCache::finish(const std::string& key, const Response& response, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(key);
  if (place == entries_.end()) return;
  if (!definite(response.status) || response.body.size() > limits_.bytes) {
    entries_.erase(place);
    return;
  }
  place->second.done = true;
  place->second.response = response;
  bytes_ += response.body.size();
  answered_.emplace_back(now, key);
  make_room(now);
}

void IdempotencyCache::drop_oldest() {
  const auto place = entries_.find(answered_.front().second);
  bytes_ -= place->second.response.body.size();
  entries_.erase(place);
  answered_.pop_front();
}

// Running entries are never dropped; the request lane bounds them.
void IdempotencyCache::make_room(Clock::time_point now) {
  while (!answered_.empty() && (now - answered_.front().first >= limits_.lifetime ||
                                answered_.size() > limits_.entries || bytes_ > limits_.bytes)) {
    drop_oldest();
  }
}

}  // namespace vectorizer::rest
