#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "http.hpp"

namespace vectorizer::rest {

/// What became of writes that carried an Idempotency-Key, so that a repeated one is answered instead of done again.
/// In memory of this node only: what outlives it, or comes through another node, the shards know (request_id.hpp).
/// Thread-safe.
class IdempotencyCache {
 public:
  using Clock = std::chrono::steady_clock;
  /// Identifies a request: XXH3-128 over method, target and body.
  using Fingerprint = std::pair<std::uint64_t, std::uint64_t>;

  struct Limits {
    std::size_t entries = 100'000;
    std::size_t bytes = 64U << 20;  ///< of remembered bodies
    Clock::duration lifetime = std::chrono::minutes(15);
  };
  enum class Verdict : std::uint8_t {
    kRun,       ///< first of its key: run it, then call finish()
    kReplay,    ///< answered before: `response` is the answer
    kMismatch,  ///< the key belongs to another request
    kRunning,   ///< the same request runs right now
  };
  struct Claim {
    Verdict verdict = Verdict::kRun;
    Response response;
  };

  explicit IdempotencyCache(Limits limits) : limits_(limits) {}

  static Fingerprint fingerprint(const Request& request, std::string_view target);
  /// 1..128 printable ASCII characters.
  static bool valid_key(std::string_view key);

  Claim begin(const std::string& key, Fingerprint fingerprint, Clock::time_point now);
  /// Ends what begin() answered kRun. The response is remembered if it is definite (2xx and 4xx, but not 408, 409 and
  /// 429: what failed otherwise may be tried again); the oldest make room.
  void finish(const std::string& key, const Response& response, Clock::time_point now);

 private:
  struct Entry {
    Fingerprint fingerprint;
    bool done = false;
    Response response;
  };
  void drop_oldest();
  void make_room(Clock::time_point now);

  const Limits limits_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;  // guarded by mutex_
  std::deque<std::pair<Clock::time_point, std::string>>
      answered_;           // keys of done entries, oldest first; guarded by mutex_
  std::size_t bytes_ = 0;  // guarded by mutex_
};

}  // namespace vectorizer::rest
