#pragma once

#include <bitset>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::rpc {

inline constexpr std::size_t kNonceBytes = 32;
/// Metadata key of the proof that a call carries: session, number of the call, HMAC.
inline constexpr const char* kProofKey = "vectorizer-proof-bin";

/// From the system's generator; nothing when that fails.
std::optional<std::string> random_bytes(std::size_t count);
/// HMAC-SHA256; empty when the library fails, which no proof equals.
std::string hmac_sha256(std::string_view key, std::string_view text);
bool equal_in_constant_time(std::string_view a, std::string_view b);

/// What both ends derive from the secret and their nonces; the secret itself never travels.
std::string session_key(std::string_view secret, std::string_view client_nonce, std::string_view server_nonce);
/// What shows the client that the server knows the secret.
std::string server_proof(std::string_view secret, std::string_view client_nonce, std::string_view server_nonce,
                         std::uint64_t session);

/// The caller's half of a session: proves call after call, each with a number of its own.
class CallProver {
 public:
  CallProver(std::uint64_t session, std::string key) : session_(session), key_(std::move(key)) {}
  std::string prove(std::string_view proven);
  std::uint64_t session() const { return session_; }

 private:
  const std::uint64_t session_;
  const std::string key_;
  std::mutex mutex_;
  std::uint64_t last_number_ = 0;
};

/// The sessions that callers have opened with this process. A number of a session is good for one call: a copy of a
/// call that somebody recorded is refused. Bounded: sessions that have proven nothing yet make way for each other only,
/// the others for those used later; who lost his session opens another. Thread-safe.
class SessionTable {
 public:
  enum class Verdict {
    kProven,
    kMissing,         ///< the call carries no proof
    kUnknownSession,  ///< or a number too old to tell: open another session and come again
    kWrong,           ///< the HMAC differs: another secret, or tampered
    kReplayed,        ///< the number was used
  };
  struct Opened {
    std::uint64_t session = 0;
    std::string server_nonce;
    std::string proof;
  };

  explicit SessionTable(std::string secret) : secret_(std::move(secret)) {}
  bool enabled() const { return !secret_.empty(); }

  Result<Opened> open(std::string_view client_nonce);
  Verdict check(const std::optional<std::string>& proof, std::string_view proven);

 private:
  /// Calls in parallel arrive in any order; further apart than this they do not.
  static constexpr std::size_t kWindow = 4096;
  struct Session {
    std::string key;
    std::uint64_t highest = 0;
    std::bitset<kWindow> seen;  // at number modulo kWindow: those in (highest - kWindow, highest]
    bool proven = false;
    std::list<std::uint64_t>::iterator place;  // in proven_ or unproven_
  };
  static bool take_number(Session& session, std::uint64_t number, bool& too_old);
  void drop_oldest(std::list<std::uint64_t>& list, std::size_t limit);

  const std::string secret_;
  std::mutex mutex_;
  std::map<std::uint64_t, Session> sessions_;
  std::list<std::uint64_t> unproven_, proven_;  // oldest first
};

}  // namespace vectorizer::rpc
