#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {

/// The most slots an index hands out; the two bits above mark candidates during a search.
inline constexpr Slot kMaxSlots = Slot{1} << 30;

/// Rows of equal size that never move: chunk c holds 64 << c rows, so that a fixed directory reaches every slot, an
/// empty store costs nothing, and large chunks lie in 2 MiB pages. Fresh rows are zero.
///
/// Thread-safety: one writer calls `reserve`; readers may use every row that the writer has published to them.
class RowStore {
 public:
  /// Rows in memory.
  explicit RowStore(std::size_t row_bytes) : row_bytes_(row_bytes) {}
  /// Rows in a file in `directory` that has no name, so that it vanishes with the process. Falls back to memory, with a
  /// warning, when the file cannot be made or the disk is full: a write into a hole of a mapped file would be a SIGBUS.
  RowStore(std::size_t row_bytes, const std::filesystem::path& directory);
  ~RowStore();
  RowStore(const RowStore&) = delete;
  RowStore& operator=(const RowStore&) = delete;

  /// Makes rows 0..count-1 usable. Throws std::bad_alloc when there is no memory.
  void reserve(std::size_t count);
  std::byte* row(Slot slot) const {
    const std::size_t biased = std::size_t{slot} + kFirstChunk;
    const auto chunk = static_cast<std::size_t>(std::bit_width(biased)) - kFirstBits;
    return chunks_[chunk].load(std::memory_order_acquire) + (biased - (kFirstChunk << chunk)) * row_bytes_;
  }
  std::size_t row_bytes() const { return row_bytes_; }

 private:
  static constexpr std::size_t kFirstBits = 7;
  static constexpr std::size_t kFirstChunk = std::size_t{1} << (kFirstBits - 1);
  static constexpr std::size_t kChunks = 26;

  void add_chunk();
  std::byte* map_chunk(std::size_t bytes);
  void back_with_disk(std::size_t rows);

  const std::size_t row_bytes_;
  int file_ = -1;
  std::size_t file_size_ = 0;
  std::size_t disk_bytes_ = 0;  // of the last chunk, already allocated on disk
  std::size_t chunk_count_ = 0;
  std::size_t capacity_ = 0;
  std::array<std::atomic<std::byte*>, kChunks> chunks_{};
};

}  // namespace vectorizer::index
