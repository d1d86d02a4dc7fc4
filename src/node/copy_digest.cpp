#include "copy_digest.hpp"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace vectorizer::node {
namespace {

using Clock = std::chrono::steady_clock;

/// A caller gives up after cluster.timeout_ms; nobody needs what is read much later.
constexpr std::chrono::seconds kMaxTime{10};
constexpr std::uint64_t kMaxSlicePoints = 16384;
constexpr std::uint64_t kMaxSliceBytes = 32ULL << 20;

/// Every part is preceded by its size, so that no two points have the same bytes.
std::string bytes_of(const storage::StoredPoint& stored) {
  const auto& point = stored.point;
  std::string bytes;
  const auto add_number = [&](std::uint64_t number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  const auto id = point.id.encode();
  bytes.reserve(4 * sizeof(std::uint64_t) + id.size() + point.vector.size() * sizeof(float) + point.payload.size());
  add_number(stored.sequence);
  add_number(id.size());
  bytes += id;
  add_number(point.vector.size());
  bytes.append(reinterpret_cast<const char*>(point.vector.data()), point.vector.size() * sizeof(float));
  add_number(point.payload.size());
  bytes += point.payload;
  return bytes;
}

class PointHash {
 public:
  PointHash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

  void add(const std::string& point) { XXH3_128bits_update(state_.get(), point.data(), point.size()); }
  void finish(peer::ShardDigest& digest) const {
    const auto hashed = XXH3_128bits_digest(state_.get());
    digest.high = hashed.high64;
    digest.low = hashed.low64;
  }

 private:
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
    hash.add(bytes_of(stored));
    if (Clock::now() < until) return {};
    return Error{ErrorType::kTimeout, "the copy is too large to be read while somebody waits"};
  };
  RETURN_IF_ERROR(database.read_checkpoint(copy, begin, visit));
  hash.finish(digest);
  return digest;
}

Result<peer::CopySlice> copy_slice(const storage::Database& database, storage::CopyNumber copy,
                                   const peer::SliceOrder& order) {
  const auto until = Clock::now() + kMaxTime;
  const auto max_points = std::clamp<std::uint64_t>(order.max_points, 1, kMaxSlicePoints);
  const auto max_bytes = std::min(order.max_bytes, kMaxSliceBytes);
  peer::CopySlice slice;
  PointHash hash;
  const auto begin = [&](storage::SequenceNumber sequence) -> Result<void> {
    slice.sequence = sequence;
    return {};
  };
  const auto visit = [&](storage::StoredPoint&& stored) -> Result<bool> {
    auto& id = stored.point.id;
    if (order.until && *order.until < id) return false;
    if (slice.points == max_points || slice.bytes >= max_bytes) {
      slice.complete = false;
      return false;
    }
    if (Clock::now() > until) return Error{ErrorType::kTimeout, "reading a part of a copy takes too long"};
    const auto bytes = bytes_of(stored);
    hash.add(bytes);
    ++slice.points;
    slice.bytes += bytes.size();
    if (order.listed) slice.list.push_back({id, stored.sequence, XXH3_64bits(bytes.data(), bytes.size())});
    slice.last = std::move(id);
    return true;
  };
  RETURN_IF_ERROR(database.read_range(copy, order.after, begin, visit));
  hash.finish(slice);
  return slice;
}

}  // namespace vectorizer::node
