#include "row_store.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

namespace vectorizer::index {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kDiskStep = std::size_t{1} << 20;

std::size_t rounded_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

void* map_anonymous(void* where, std::size_t bytes, int flags) {
  void* memory = mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

/// Memory aligned to 2 MiB, in huge pages where the kernel has them.
std::byte* map_huge(std::size_t bytes) {
  auto* begin = static_cast<std::byte*>(map_anonymous(nullptr, bytes + kHugePage, 0));
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::size_t skip = rounded_up(address, kHugePage) - address;
  if (skip > 0) munmap(begin, skip);
  std::byte* aligned = begin + skip;
  if (skip < kHugePage) munmap(aligned + bytes, kHugePage - skip);
  madvise(aligned, bytes, MADV_HUGEPAGE);  // a hint: without it the rows are only slower
  return aligned;
}

int open_unnamed(const std::filesystem::path& directory) {
  std::string name = (directory / "vectors.XXXXXX").string();
  const int file = mkostemp(name.data(), O_CLOEXEC);
  if (file >= 0) unlink(name.c_str());
  return file;
}

}  // namespace

RowStore::RowStore(std::size_t row_bytes, const std::filesystem::path& directory) : row_bytes_(row_bytes) {
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  file_ = open_unnamed(directory);
  if (file_ < 0)
    spdlog::warn("no file for vectors in {}: {}; keeping them in memory", directory.string(), strerror(errno));
}

RowStore::~RowStore() {
  for (std::size_t chunk = 0; chunk < chunk_count_; ++chunk) {
    munmap(chunks_[chunk].load(std::memory_order_relaxed), rounded_up((kFirstChunk << chunk) * row_bytes_, kPage));
  }
  if (file_ >= 0) close(file_);
}

void RowStore::reserve(std::size_t count) {
  while (capacity_ < count) {
    if (file_ >= 0 && chunk_count_ > 0) back_with_disk(kFirstChunk << (chunk_count_ - 1));
    add_chunk();
  }
  if (file_ < 0 || chunk_count_ == 0) return;
  const std::size_t before_last = capacity_ - (kFirstChunk << (chunk_count_ - 1));
  if (count > before_last) back_with_disk(count - before_last);
}

void RowStore::add_chunk() {
  if (chunk_count_ == kChunks) throw std::bad_alloc();
  const std::size_t rows = kFirstChunk << chunk_count_;
  chunks_[chunk_count_].store(map_chunk(rounded_up(rows * row_bytes_, kPage)), std::memory_order_release);
  ++chunk_count_;
  capacity_ += rows;
  disk_bytes_ = 0;
}

std::byte* RowStore::map_chunk(std::size_t bytes) {
  if (file_ >= 0) {
    if (ftruncate(file_, static_cast<off_t>(file_size_ + bytes)) == 0) {
      void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, static_cast<off_t>(file_size_));
      if (memory != MAP_FAILED) {
        file_size_ += bytes;
        madvise(memory, bytes, MADV_RANDOM);
        return static_cast<std::byte*>(memory);
      }
    }
    spdlog::warn("cannot extend the file for vectors: {}; keeping further ones in memory", strerror(errno));
    close(file_);
    file_ = -1;
  }
  if (bytes >= 2 * kHugePage) return map_huge(bytes);
  return static_cast<std::byte*>(map_anonymous(nullptr, bytes, 0));
}

/// Allocates disk blocks for the first `rows` of the last chunk; what the disk has no room for becomes memory.
void RowStore::back_with_disk(std::size_t rows) {
  const std::size_t chunk_bytes = rounded_up((kFirstChunk << (chunk_count_ - 1)) * row_bytes_, kPage);
  const std::size_t wanted = std::min(chunk_bytes, rounded_up(rows * row_bytes_, kDiskStep));
  if (wanted <= disk_bytes_) return;
  const auto offset = static_cast<off_t>(file_size_ - chunk_bytes + disk_bytes_);
  const int failed = posix_fallocate(file_, offset, static_cast<off_t>(wanted - disk_bytes_));
  if (failed == 0) {
    disk_bytes_ = wanted;
    return;
  }
  spdlog::warn("no room for mapped vectors: {}; keeping further ones in memory", strerror(failed));
  std::byte* chunk = chunks_[chunk_count_ - 1].load(std::memory_order_relaxed);
  map_anonymous(chunk + disk_bytes_, chunk_bytes - disk_bytes_, MAP_FIXED);  // nobody reads rows past disk_bytes_ yet
  close(file_);
  file_ = -1;
}

}  // namespace vectorizer::index
