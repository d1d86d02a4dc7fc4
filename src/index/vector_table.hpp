#pragma once

#include <atomic>
#include <cstring>
#include <span>
#include <vector>

#include "code.hpp"
#include "row_store.hpp"
#include "vectorizer/index/exact_distance.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {

/// What an index knows of each slot: its code, its full-precision vector where it keeps them, and whether it was
/// removed. Under cosine both are of the unit vector (the zero vector stays zero, at distance 1 from everything).
///
/// Thread-safety: one writer; readers may use every slot below `slots()`.
class VectorTable {
 public:
  explicit VectorTable(const IndexOptions& options);

  Slot append(std::span<const float> vector);
  void remove(Slot slot);
  /// Extends the table to `count` slots without vectors, all removed. Before other threads use it.
  void extend_removed(std::size_t count);
  /// Gives a removed slot its vector and revives it. Before other threads use it.
  void restore(Slot slot, std::span<const float> vector);

  std::size_t slots() const { return slots_.load(std::memory_order_acquire); }
  std::size_t live() const { return live_.load(std::memory_order_relaxed); }
  std::size_t dimension() const { return dimension_; }
  Metric metric() const { return metric_; }
  const CodeSpace& space() const { return space_; }

  bool removed(Slot slot) const { return (removed_word(slot / 64) >> (slot % 64) & 1) != 0; }
  /// The removed bits of slots 64 * index to 64 * index + 63.
  std::uint64_t removed_word(std::size_t index) const {
    return std::atomic_ref(removed_bits(index)).load(std::memory_order_relaxed);
  }
  /// Slots below `end`, from `begin` on, that are not removed.
  std::size_t live_between(std::size_t begin, std::size_t end) const;

  const std::uint8_t* code(Slot slot) const { return reinterpret_cast<const std::uint8_t*>(codes_.row(slot)); }
  CodeMeta meta(Slot slot) const {
    CodeMeta meta;
    std::memcpy(&meta, codes_.row(slot) + meta_offset_, sizeof meta);
    return meta;
  }
  /// The code followed by its meta data, as it is saved.
  std::span<std::byte> code_row(Slot slot) const { return {codes_.row(slot), meta_offset_ + sizeof(CodeMeta)}; }
  /// Quantized vectors in memory are codes only.
  bool keeps_vectors() const { return keeps_vectors_; }
  /// Only where vectors are kept.
  std::span<const float> vector(Slot slot) const {
    return {reinterpret_cast<const float*>(vectors_.row(slot)), dimension_};
  }
  void prefetch_code(Slot slot) const {
    const std::byte* row = codes_.row(slot);
    for (std::size_t i = 0; i < codes_.row_bytes(); i += 64) __builtin_prefetch(row + i);
  }

  float code_distance(const QueryCode& query, Slot slot) const {
    return space_.distance(query, code(slot), meta(slot));
  }
  /// In full precision; `query` has gone through prepare_vector.
  float exact_distance(std::span<const float> query, Slot slot) const {
    return prepared_distance(metric_, query, vector(slot));
  }

  std::size_t code_bytes() const { return slots() * codes_.row_bytes(); }
  std::size_t vector_bytes() const { return keeps_vectors_ ? slots() * vectors_.row_bytes() : 0; }

 private:
  std::uint64_t& removed_bits(std::size_t index) const {
    return *reinterpret_cast<std::uint64_t*>(removed_.row(static_cast<Slot>(index)));
  }
  void fill(Slot slot, std::span<const float> vector);
  void reserve(std::size_t count);

  const std::size_t dimension_;
  const Metric metric_;
  const CodeSpace space_;
  const bool keeps_vectors_;
  const std::size_t meta_offset_;
  RowStore codes_;    // code, then CodeMeta, in the same cache lines where possible
  RowStore vectors_;  // f32, when kept
  RowStore removed_;  // one word per 64 slots
  std::atomic<std::size_t> slots_{0};
  std::atomic<std::size_t> live_{0};
  std::vector<float> prepared_;  // of the vector that is being encoded, when none are kept
};

}  // namespace vectorizer::index
