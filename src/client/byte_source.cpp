#include "byte_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace vectorizer::client {
namespace {

constexpr unsigned kBufferBytes = 1U << 18;
constexpr std::size_t kReadBytes = std::size_t{1} << 30;  // gzread takes an unsigned and answers an int

}  // namespace

Result<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  std::error_code failed;
  const bool regular = std::filesystem::is_regular_file(path, failed);
  if (failed || !regular) {
    const std::string why = failed ? failed.message() : "not a regular file";
    return Error{ErrorType::kValidation, fmt::format("{}: {}", path.string(), why)};
  }
  const auto size = std::filesystem::file_size(path, failed);
  errno = 0;
  gzFile file = failed ? nullptr : gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    return Error{ErrorType::kValidation, fmt::format("{}: cannot open: {}", path.string(), std::strerror(errno))};
  }
  gzbuffer(file, kBufferBytes);
  return ByteSource(path.string(), file, size);
}

Error ByteSource::read_error() const {
  int code = Z_OK;
  const char* text = gzerror(file_.get(), &code);
  if (code == Z_ERRNO) text = std::strerror(errno);
  return Error{ErrorType::kValidation, fmt::format("{}: cannot read: {}", name_, text)};
}

Result<std::size_t> ByteSource::read(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto want = static_cast<unsigned>(std::min(out.size() - done, kReadBytes));
    const int got = gzread(file_.get(), out.data() + done, want);
    if (got < 0) return read_error();
    done += static_cast<std::size_t>(got);
    if (static_cast<unsigned>(got) < want) {
      int code = Z_OK;
      gzerror(file_.get(), &code);  // a gzip stream that was cut off reports Z_BUF_ERROR only here
      if (code != Z_OK && code != Z_STREAM_END) return read_error();
      break;
    }
  }
  return done;
}

Result<bool> ByteSource::read_line(std::string& line, std::size_t max_bytes) {
  line.clear();
  char part[8192];
  while (line.size() <= max_bytes) {
    const auto before = gztell(file_.get());
    if (gzgets(file_.get(), part, sizeof part) == nullptr) {
      int code = Z_OK;
      gzerror(file_.get(), &code);
      if (code != Z_OK && code != Z_STREAM_END) return read_error();
      return !line.empty();
    }
    const std::size_t length = std::strlen(part);
    if (std::cmp_not_equal(length, gztell(file_.get()) - before))
      return Error{ErrorType::kValidation, name_ + ": holds a zero byte, which no line of JSON does"};
    line.append(part, length);
    if (line.back() == '\n') {
      line.pop_back();
      if (line.ends_with('\r')) line.pop_back();
      return true;
    }
  }
  return Error{ErrorType::kValidation, fmt::format("{}: a line is longer than {} bytes", name_, max_bytes)};
}

double ByteSource::fraction() const {
  const auto at = gzoffset(file_.get());
  if (size_ == 0 || at < 0) return 1;
  return std::min(1.0, static_cast<double>(at) / static_cast<double>(size_));
}

}  // namespace vectorizer::client
