#include "slot_table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace vectorizer::shard {
namespace {

constexpr std::string_view kMagic = "VZST";
constexpr std::uint32_t kVersion = 1;

template <typename Integer>
void put(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// Takes a little-endian integer off the front; false when there are too few bytes.
template <typename Integer>
bool take(std::string_view& bytes, Integer& value) {
  if (bytes.size() < sizeof(Integer)) return false;
  value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>(value | static_cast<Integer>(static_cast<unsigned char>(bytes[i])) << (8 * i));
  }
  bytes.remove_prefix(sizeof(Integer));
  return true;
}

Error damaged(std::string_view what) {
  return Error{ErrorType::kInternal, "saved slot table: " + std::string(what)};
}

}  // namespace

Slot SlotTable::append(const PointId& id, SequenceNumber sequence, std::string_view payload) {
  const auto slot = static_cast<Slot>(entries_.size());
  entries_.emplace_back();
  fill(slot, id, sequence, payload);
  return slot;
}

void SlotTable::restore(Slot slot, const PointId& id, SequenceNumber sequence, std::string_view payload) {
  assert(slot < entries_.size() && !entries_[slot].live);
  fill(slot, id, sequence, payload);
}

void SlotTable::fill(Slot slot, const PointId& id, SequenceNumber sequence, std::string_view payload) {
  SlotEntry& entry = entries_[slot];
  entry.id = id;
  entry.sequence = sequence;
  entry.live = true;
  entry.payload_in_store = payload.size() > kKeptPayloadBytes;
  if (!entry.payload_in_store) entry.payload = payload;
  payload_bytes_ += entry.payload.size();
  ++live_;
  if (live_ * 8 > buckets_.size() * 5) buckets_ = grown(0);  // with every live slot, this one too
  std::uint32_t& bucket = buckets_[bucket_of(buckets_, id)];
  assert(bucket == 0 || bucket == slot + 1);
  bucket = slot + 1;
}

SlotEntry SlotTable::remove(Slot slot) {
  assert(slot < entries_.size() && entries_[slot].live);
  erase_bucket(entries_[slot].id);
  SlotEntry taken = std::exchange(entries_[slot], SlotEntry{});
  payload_bytes_ -= taken.payload.size();
  --live_;
  return taken;
}

std::optional<Slot> SlotTable::find(const PointId& id) const {
  if (buckets_.empty()) return std::nullopt;
  const std::uint32_t value = buckets_[bucket_of(buckets_, id)];
  if (value == 0) return std::nullopt;
  return value - 1;
}

const SlotEntry* SlotTable::live(Slot slot) const {
  if (slot >= entries_.size() || !entries_[slot].live) return nullptr;
  return &entries_[slot];
}

std::size_t SlotTable::bucket_of(const std::vector<std::uint32_t>& buckets, const PointId& id) const {
  const std::size_t mask = buckets.size() - 1;
  std::size_t bucket = static_cast<std::size_t>(id.hash()) & mask;
  while (buckets[bucket] != 0 && entries_[buckets[bucket] - 1].id != id) bucket = (bucket + 1) & mask;
  return bucket;
}

void SlotTable::erase_bucket(const PointId& id) {
  const std::size_t mask = buckets_.size() - 1;
  std::size_t hole = bucket_of(buckets_, id);
  assert(buckets_[hole] != 0);
  // Shift back what probed past the hole, so that no marker for "was here" is needed.
  for (std::size_t next = (hole + 1) & mask; buckets_[next] != 0; next = (next + 1) & mask) {
    const std::size_t home = static_cast<std::size_t>(entries_[buckets_[next] - 1].id.hash()) & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      buckets_[hole] = buckets_[next];
      hole = next;
    }
  }
  buckets_[hole] = 0;
}

std::vector<std::uint32_t> SlotTable::grown(std::size_t more) const {
  std::size_t size = std::max<std::size_t>(buckets_.size(), 16);
  while ((live_ + more) * 8 > size * 5) size *= 2;
  if (size == buckets_.size()) return {};
  std::vector<std::uint32_t> buckets(size);
  for (Slot slot = 0; slot < entries_.size(); ++slot) {
    if (entries_[slot].live) buckets[bucket_of(buckets, entries_[slot].id)] = slot + 1;
  }
  return buckets;
}

std::string SlotTable::encode() const {
  std::string out = encode_start(entries_.size());
  encode_slots(out, 0, entries_.size());
  return out;
}

std::string SlotTable::encode_start(std::size_t slots) {
  std::string out(kMagic);
  put<std::uint32_t>(out, kVersion);
  put<std::uint64_t>(out, slots);
  return out;
}

void SlotTable::encode_slots(std::string& out, std::size_t begin, std::size_t end) const {
  for (std::size_t slot = begin; slot < end; ++slot) {
    const SlotEntry& entry = entries_[slot];
    if (!entry.live) {
      put<std::uint16_t>(out, 0);
      continue;
    }
    const std::string id = entry.id.encode();
    put<std::uint16_t>(out, static_cast<std::uint16_t>(id.size()));
    out += id;
    put<std::uint64_t>(out, entry.sequence);
  }
}

Result<std::vector<SavedSlot>> SlotTable::decode(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return damaged("not a slot table");
  bytes.remove_prefix(kMagic.size());
  std::uint32_t version = 0;
  std::uint64_t count = 0;
  if (!take(bytes, version) || !take(bytes, count)) return damaged("truncated header");
  if (version != kVersion) return damaged("version " + std::to_string(version));
  if (count > bytes.size() / sizeof(std::uint16_t)) return damaged("more slots than bytes");
  std::vector<SavedSlot> slots;
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    std::uint16_t length = 0;
    if (!take(bytes, length)) return damaged("truncated");
    if (length == 0) continue;
    if (bytes.size() < length) return damaged("truncated id");
    auto id = PointId::decode(bytes.substr(0, length));
    if (!id) return damaged("an id that is none");
    bytes.remove_prefix(length);
    SequenceNumber sequence = 0;
    if (!take(bytes, sequence)) return damaged("truncated sequence");
    slots.push_back(SavedSlot{static_cast<Slot>(slot), sequence, *std::move(id)});
  }
  if (!bytes.empty()) return damaged("bytes left over");
  return slots;
}

}  // namespace vectorizer::shard
