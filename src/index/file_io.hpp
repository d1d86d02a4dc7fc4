#pragma once

#include <xxhash.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <type_traits>
#include <vector>

#include "vectorizer/base/durable_file.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::index {

struct HashStateFree {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using HashState = std::unique_ptr<XXH3_state_t, HashStateFree>;

/// Writes a durable file that ends in the XXH3 of what precedes. Errors are kept until `commit`.
class FileWriter {
 public:
  explicit FileWriter(const std::filesystem::path& file);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* data, std::size_t size);
  template <typename T>
  void write_value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    write(&value, sizeof value);
  }
  /// Appends the checksum; then the file is in its place.
  Result<void> commit();

 private:
  void flush();

  DurableFile file_;
  std::vector<std::byte> buffer_;
  HashState hash_;
  Result<void> state_;
};

/// Reads such a file once, front to back. Everything read before `verify` is unchecked: bound it before use.
class FileReader {
 public:
  static Result<std::unique_ptr<FileReader>> open(const std::filesystem::path& file);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// Bytes left before the checksum: what a count in the file may claim at most.
  std::size_t remaining() const { return remaining_; }
  Result<void> read(void* data, std::size_t size);
  template <typename T>
  Result<T> read_value() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    RETURN_IF_ERROR(read(&value, sizeof value));
    return value;
  }
  /// Succeeds when all was read and the checksum is right.
  Result<void> verify();
  Error damaged(std::string_view reason) const;

 private:
  FileReader(std::filesystem::path file, int descriptor, std::size_t size);
  Result<void> fill();

  const std::filesystem::path file_;
  const int descriptor_;
  std::size_t remaining_;  // not yet handed out, without the checksum
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what the buffer holds
  HashState hash_;
};

}  // namespace vectorizer::index
