#include "secret.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "big_endian.hpp"

namespace vectorizer::rpc {
namespace {

constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kProofBytes = 8 + 8 + kMacBytes;
constexpr std::size_t kMaxUnproven = 256;
constexpr std::size_t kMaxProven = 1024;

std::string call_mac(std::string_view key, std::uint64_t number, std::string_view proven) {
  std::string text = "vectorizer call 1";
  append_big_endian(text, number);
  text.append(proven);
  return hmac_sha256(key, text);
}

}  // namespace

std::optional<std::string> random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1) return std::nullopt;
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), mac.data(), &size) == nullptr) {
    return {};
  }
  return {reinterpret_cast<const char*>(mac.data()), size};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return !a.empty() && a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string session_key(std::string_view secret, std::string_view client_nonce, std::string_view server_nonce) {
  std::string text = "vectorizer session 1";
  text.append(client_nonce).append(server_nonce);
  return hmac_sha256(secret, text);
}

std::string server_proof(std::string_view secret, std::string_view client_nonce, std::string_view server_nonce,
                         std::uint64_t session) {
  std::string text = "vectorizer server 1";
  text.append(client_nonce).append(server_nonce);
  append_big_endian(text, session);
  return hmac_sha256(secret, text);
}

std::string CallProver::prove(std::string_view proven) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_number_;
  }
  std::string out;
  append_big_endian(out, session_);
  append_big_endian(out, number);
  out += call_mac(key_, number, proven);
  return out;
}

Result<SessionTable::Opened> SessionTable::open(std::string_view client_nonce) {
  if (client_nonce.size() != kNonceBytes) return Error{ErrorType::kValidation, "a nonce has 32 bytes"};
  auto nonce = random_bytes(kNonceBytes);
  const auto name = random_bytes(8);
  if (!nonce || !name) return Error{ErrorType::kInternal, "the system has no random numbers"};
  Opened out{read_big_endian(*name), *std::move(nonce), {}};
  out.proof = server_proof(secret_, client_nonce, out.server_nonce, out.session);

  const std::lock_guard lock(mutex_);
  auto [place, added] = sessions_.try_emplace(out.session);
  if (!added) return Error{ErrorType::kInternal, "a random number came twice"};
  place->second.key = session_key(secret_, client_nonce, out.server_nonce);
  place->second.place = unproven_.insert(unproven_.end(), out.session);
  drop_oldest(unproven_, kMaxUnproven);
  return out;
}

SessionTable::Verdict SessionTable::check(const std::optional<std::string>& proof, std::string_view proven) {
  if (!proof) return Verdict::kMissing;
  if (proof->size() != kProofBytes) return Verdict::kWrong;
  const std::string_view bytes = *proof;
  const std::uint64_t name = read_big_endian(bytes);
  const std::uint64_t number = read_big_endian(bytes.substr(8));
  std::string key;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(name);
    if (found == sessions_.end()) return Verdict::kUnknownSession;
    key = found->second.key;
  }
  if (!equal_in_constant_time(call_mac(key, number, proven), bytes.substr(16))) return Verdict::kWrong;

  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return Verdict::kUnknownSession;
  Session& session = found->second;
  bool too_old = false;
  if (!take_number(session, number, too_old)) return too_old ? Verdict::kUnknownSession : Verdict::kReplayed;
  proven_.splice(proven_.end(), session.proven ? proven_ : unproven_, session.place);
  session.proven = true;
  drop_oldest(proven_, kMaxProven);
  return Verdict::kProven;
}

bool SessionTable::take_number(Session& session, std::uint64_t number, bool& too_old) {
  if (number > session.highest) {
    const std::uint64_t forgotten = std::min<std::uint64_t>(number - session.highest, kWindow);
    for (std::uint64_t i = 0; i < forgotten; ++i) session.seen.reset((number - i) % kWindow);
    session.highest = number;
  }
  too_old = session.highest - number >= kWindow;
  if (too_old || session.seen.test(number % kWindow)) return false;
  session.seen.set(number % kWindow);
  return true;
}

void SessionTable::drop_oldest(std::list<std::uint64_t>& list, std::size_t limit) {
  while (list.size() > limit) {
    sessions_.erase(list.front());
    list.pop_front();
  }
}

}  // namespace vectorizer::rpc
