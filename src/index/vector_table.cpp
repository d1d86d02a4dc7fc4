#include "vector_table.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <new>

namespace vectorizer::index {
namespace {

std::size_t meta_offset(std::size_t dimension) {
  return (dimension + 3) / 4 * 4;
}

/// Whole cache lines, so that a row touches no more of them than it must.
std::size_t code_row_bytes(std::size_t dimension) {
  const std::size_t bytes = meta_offset(dimension) + sizeof(CodeMeta);
  return bytes <= 32 ? 32 : (bytes + 63) / 64 * 64;
}

bool maps_vectors(const IndexOptions& options) {
  return options.storage == VectorStorage::kMmap && !options.directory.empty();
}

}  // namespace

VectorTable::VectorTable(const IndexOptions& options)
    : dimension_(options.dimension),
      metric_(options.metric),
      space_(options.metric, options.dimension),
      keeps_vectors_(options.quantization == Quantization::kNone || options.storage == VectorStorage::kMmap),
      meta_offset_(meta_offset(options.dimension)),
      codes_(code_row_bytes(options.dimension)),
      vectors_(maps_vectors(options) ? RowStore(dimension_ * sizeof(float), options.directory)
                                     : RowStore(dimension_ * sizeof(float))),
      removed_(sizeof(std::uint64_t)) {
  assert(dimension_ > 0);
}

Slot VectorTable::append(std::span<const float> vector) {
  const std::size_t slot = slots_.load(std::memory_order_relaxed);
  reserve(slot + 1);
  fill(static_cast<Slot>(slot), vector);
  live_.fetch_add(1, std::memory_order_relaxed);
  slots_.store(slot + 1, std::memory_order_release);
  return static_cast<Slot>(slot);
}

void VectorTable::remove(Slot slot) {
  assert(slot < slots_.load(std::memory_order_relaxed));
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  const std::uint64_t before = std::atomic_ref(removed_bits(slot / 64)).fetch_or(bit, std::memory_order_relaxed);
  if ((before & bit) == 0) live_.fetch_sub(1, std::memory_order_relaxed);
}

void VectorTable::extend_removed(std::size_t count) {
  const std::size_t begin = slots_.load(std::memory_order_relaxed);
  reserve(count);
  for (std::size_t slot = begin; slot < count; ++slot) removed_bits(slot / 64) |= std::uint64_t{1} << (slot % 64);
  slots_.store(std::max(begin, count), std::memory_order_release);
}

void VectorTable::restore(Slot slot, std::span<const float> vector) {
  assert(slot < slots());
  fill(slot, vector);
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  if ((removed_bits(slot / 64) & bit) != 0) live_.fetch_add(1, std::memory_order_relaxed);
  removed_bits(slot / 64) &= ~bit;
}

std::size_t VectorTable::live_between(std::size_t begin, std::size_t end) const {
  std::size_t live = 0;
  while (begin < end) {
    const std::size_t bits = std::min(64 - begin % 64, end - begin);
    const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    live += static_cast<std::size_t>(std::popcount(~removed_word(begin / 64) >> (begin % 64) & mask));
    begin += bits;
  }
  return live;
}

void VectorTable::fill(Slot slot, std::span<const float> vector) {
  assert(vector.size() == dimension_);
  if (!keeps_vectors_) prepared_.resize(dimension_);
  float* const stored = keeps_vectors_ ? reinterpret_cast<float*>(vectors_.row(slot)) : prepared_.data();
  prepare_vector(metric_, vector, stored);
  std::byte* row = codes_.row(slot);
  const CodeMeta meta = encode({stored, dimension_}, reinterpret_cast<std::uint8_t*>(row));
  std::memcpy(row + meta_offset_, &meta, sizeof meta);
}

void VectorTable::reserve(std::size_t count) {
  if (count > kMaxSlots) throw std::bad_alloc();
  codes_.reserve(count);
  if (keeps_vectors_) vectors_.reserve(count);
  removed_.reserve(count / 64 + 1);
}

}  // namespace vectorizer::index
