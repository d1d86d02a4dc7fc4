#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

/// A file read front to back, unpacked on the way if it is gzip. Errors name the file; a gzip stream that ends early or
/// is damaged is an error, never a short file.
class ByteSource {
 public:
  static Result<ByteSource> open(const std::filesystem::path& path);

  /// Fills `out` as far as the file reaches; less than asked means its end.
  Result<std::size_t> read(std::span<std::byte> out);
  /// The next line without its end ("\n" or "\r\n"); false at the end of the file. A line over `max_bytes` is an error.
  Result<bool> read_line(std::string& line, std::size_t max_bytes);

  /// How much of the file on disk was consumed, 0..1; for progress only.
  double fraction() const;
  const std::string& name() const { return name_; }

 private:
  ByteSource(std::string name, gzFile file, std::uint64_t size)
      : name_(std::move(name)), size_(size), file_(file, &gzclose) {}
  Error read_error() const;

  std::string name_;
  std::uint64_t size_;
  std::unique_ptr<gzFile_s, decltype(&gzclose)> file_;
};

}  // namespace vectorizer::client
