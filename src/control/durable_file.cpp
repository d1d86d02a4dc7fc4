#include "durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace vectorizer::control {
namespace {

/// Closes a descriptor on every way out.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

Error failed(std::string_view what, const std::filesystem::path& path) {
  return Error{ErrorType::kInternal, fmt::format("cannot {} '{}': {}", what, path.string(),
                                                 std::error_code(errno, std::generic_category()).message())};
}

Result<void> write_synced(const std::filesystem::path& path, std::string_view bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.get() < 0) return failed("create", path);
  while (!bytes.empty()) {
    const auto written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) return failed("sync", path);
  return {};
}

}  // namespace

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes) {
  auto temporary = path;
  temporary += ".new";
  RETURN_IF_ERROR(write_synced(temporary, bytes));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("replace", path);
  const Descriptor directory(path.parent_path(), O_RDONLY | O_DIRECTORY);
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return failed("sync the directory of", path);
  return {};
}

Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return failed("open", path);
  std::string bytes(max_bytes + 1, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) return failed("read", path);
  if (bytes.size() > max_bytes) {
    return Error{ErrorType::kInternal, fmt::format("'{}' is larger than {} bytes", path.string(), max_bytes)};
  }
  return bytes;
}

}  // namespace vectorizer::control
