#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vectorizer::rpc {

/// The calls between nodes. What each one may do on its way is said here once, for both ends.
enum class Method : std::uint8_t {
  kWrite,
  kSearch,
  kGet,
  kScroll,
  kCount,
  kMatching,
  kReport,
  kDigest,
  kSnapshot,
  kReplicate,
  kFetchCheckpoint,
  kHello,
  kRemembered,
  kClaim,
  kJoin,
  kYouAreRemoved,
  kBeat,
  kPropose,
  kBarrier,
  kRaftStream,
};
inline constexpr std::size_t kMethods = 20;

struct MethodRules {
  std::string_view name;   ///< as metrics and errors show it, and as proofs of the secret cover it
  bool repeatable;         ///< doing it twice is doing it once: the client tries again
  bool changes;            ///< an answer that does not come leaves open whether it was done
  bool open_to_strangers;  ///< answered before the caller belongs to the cluster
};

inline constexpr std::array<MethodRules, kMethods> kMethodRules{{
    {"write", false, true, false},
    {"search", true, false, false},
    {"get", true, false, false},
    {"scroll", true, false, false},
    {"count", true, false, false},
    {"matching", true, false, false},
    {"report", true, false, false},
    {"digest", false, false, false},
    {"snapshot", false, true, false},
    {"replicate", false, true, false},
    {"fetch_checkpoint", false, false, false},
    {"hello", true, false, true},
    {"remembered", true, false, false},
    {"claim", false, true, true},
    {"join", false, true, false},
    {"you_are_removed", false, true, false},
    {"beat", false, false, false},
    {"propose", false, true, false},
    {"barrier", true, false, false},
    {"raft_stream", false, false, false},
}};

constexpr const MethodRules& rules(Method method) {
  return kMethodRules[static_cast<std::size_t>(method)];
}

}  // namespace vectorizer::rpc
