#include "file_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace vectorizer::index {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;

HashState new_hash() {
  HashState state(XXH3_createState());
  XXH3_64bits_reset(state.get());
  return state;
}

Error io_error(const char* what, const std::filesystem::path& file) {
  const ErrorType type = errno == ENOSPC || errno == EDQUOT ? ErrorType::kStorageFull : ErrorType::kInternal;
  return {type, std::string("cannot ") + what + " index file " + file.string() + ": " + std::strerror(errno)};
}

}  // namespace

FileWriter::FileWriter(const std::filesystem::path& file) : file_(file), hash_(new_hash()) {
  buffer_.reserve(kBuffer);
}

void FileWriter::write(const void* data, std::size_t size) {
  if (!state_) return;
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const std::size_t part = std::min(size, kBuffer - buffer_.size());
    buffer_.insert(buffer_.end(), bytes, bytes + part);
    bytes += part;
    size -= part;
    if (buffer_.size() == kBuffer) flush();
  }
}

void FileWriter::flush() {
  XXH3_64bits_update(hash_.get(), buffer_.data(), buffer_.size());
  if (state_) state_ = file_.write({reinterpret_cast<const char*>(buffer_.data()), buffer_.size()});
  buffer_.clear();
}

Result<void> FileWriter::commit() {
  flush();
  const std::uint64_t checksum = XXH3_64bits_digest(hash_.get());
  write_value(checksum);
  flush();
  if (!state_) return state_;
  return file_.commit();
}

Result<std::unique_ptr<FileReader>> FileReader::open(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return io_error("open", file);
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    Error error = io_error("inspect", file);
    close(descriptor);
    return error;
  }
  return std::unique_ptr<FileReader>(new FileReader(file, descriptor, static_cast<std::size_t>(status.st_size)));
}

FileReader::FileReader(std::filesystem::path file, int descriptor, std::size_t size)
    : file_(std::move(file)),
      descriptor_(descriptor),
      remaining_(size < sizeof(std::uint64_t) ? 0 : size - sizeof(std::uint64_t)),
      buffer_(kBuffer),
      hash_(new_hash()) {}

FileReader::~FileReader() {
  close(descriptor_);
}

Result<void> FileReader::read(void* data, std::size_t size) {
  if (size > remaining_) return damaged("it is too short");
  remaining_ -= size;
  auto* out = static_cast<std::byte*>(data);
  while (size > 0) {
    if (begin_ == end_) RETURN_IF_ERROR(fill());
    const std::size_t part = std::min(size, end_ - begin_);
    std::memcpy(out, buffer_.data() + begin_, part);
    XXH3_64bits_update(hash_.get(), buffer_.data() + begin_, part);
    begin_ += part;
    out += part;
    size -= part;
  }
  return {};
}

Result<void> FileReader::fill() {
  for (;;) {
    const ssize_t got = ::read(descriptor_, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", file_);
    if (got == 0) return damaged("it became shorter");
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return {};
  }
}

Result<void> FileReader::verify() {
  if (remaining_ != 0) return damaged("there are bytes left over");
  const std::uint64_t computed = XXH3_64bits_digest(hash_.get());
  std::uint64_t stored = 0;
  remaining_ = sizeof stored;
  RETURN_IF_ERROR(read(&stored, sizeof stored));
  if (computed != stored) return damaged("the checksum is wrong");
  return {};
}

Error FileReader::damaged(std::string_view reason) const {
  return {ErrorType::kInternal, "index file " + file_.string() + " is damaged: " + std::string(reason)};
}

}  // namespace vectorizer::index
