#include "request_key.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <random>

namespace vectorizer::coordinator {
namespace {

RequestId id_of(XXH128_hash_t hash) {
  return {hash.high64, hash.low64};
}

RequestId random_id() {
  thread_local std::random_device device;
  const auto half = [] { return std::uint64_t{device()} << 32 | device(); };
  return {half(), half()};
}

}  // namespace

RequestKey RequestKey::of(const std::string& collection, const WriteKey& key) {
  if (key.name.empty()) return {{random_id(), 0}, /*own=*/true};
  const std::string name = collection + '\0' + key.name;  // neither has a zero byte
  return {{id_of(XXH3_128bits(name.data(), name.size())), key.body}, /*own=*/false};
}

RequestStamp RequestKey::stamp(const ShardId& shard) const {
  const std::array<std::uint64_t, 3> name{whole_.id.high, whole_.id.low, shard.value()};
  return {id_of(XXH3_128bits(name.data(), sizeof name)), whole_.body};
}

RequestKey RequestKey::chunk(std::span<const PointId> ids) const {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  const std::array<std::uint64_t, 2> name{whole_.id.high, whole_.id.low};
  XXH3_128bits_update(&state, name.data(), sizeof name);
  for (const auto& id : ids) {
    const std::string encoded = id.encode();
    const std::uint64_t size = encoded.size();  // so that no two lists are the same bytes
    XXH3_128bits_update(&state, &size, sizeof size);
    XXH3_128bits_update(&state, encoded.data(), encoded.size());
  }
  return {{id_of(XXH3_128bits_digest(&state)), whole_.body}, own_};
}

}  // namespace vectorizer::coordinator
