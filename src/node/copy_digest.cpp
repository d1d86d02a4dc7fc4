#include "copy_digest.hpp"

#include <xxhash.h>

#include <chrono>
#include <memory>
#include <string>

namespace vectorizer::node {
namespace {

using Clock = std::chrono::steady_clock;

/// A caller gives up after cluster.timeout_ms; nobody needs what is read much later.
constexpr std::chrono::seconds kMaxTime{10};

/// Every part is preceded by its size, so that no two points have the same bytes.
class PointHash {
 public:
  PointHash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

  void add(const storage::StoredPoint& stored) {
    const auto& point = stored.point;
    add_number(stored.sequence);
    add_bytes(point.id.encode());
    add_number(point.vector.size());
    XXH3_128bits_update(state_.get(), point.vector.data(), point.vector.size() * sizeof(float));
    add_bytes(point.payload);
  }
  XXH128_hash_t digest() const { return XXH3_128bits_digest(state_.get()); }

 private:
  void add_number(std::uint64_t number) { XXH3_128bits_update(state_.get(), &number, sizeof number); }
  void add_bytes(const std::string& bytes) {
    add_number(bytes.size());
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }

  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

}  // namespace

Result<peer::ShardDigest> copy_digest(const storage::Database& database, storage::CopyNumber copy) {
  const auto until = Clock::now() + kMaxTime;
  peer::ShardDigest digest;
  PointHash hash;
  const auto begin = [&](storage::SequenceNumber sequence) -> Result<void> {
    digest.sequence = sequence;
    return {};
  };
  const auto visit = [&](storage::StoredPoint&& stored) -> Result<void> {
    ++digest.points;
    hash.add(stored);
    if (Clock::now() < until) return {};
    return Error{ErrorType::kTimeout, "the copy is too large to be read while somebody waits"};
  };
  RETURN_IF_ERROR(database.read_checkpoint(copy, begin, visit));
  const auto hashed = hash.digest();
  digest.high = hashed.high64;
  digest.low = hashed.low64;
  return digest;
}

}  // namespace vectorizer::node
