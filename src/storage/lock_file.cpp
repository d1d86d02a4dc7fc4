#include "lock_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vectorizer::storage {
namespace {

/// The process id that the holder wrote, or "another process".
std::string holder_of(int descriptor) {
  std::array<char, 32> text{};
  const auto got = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string digits;
  for (std::size_t i = 0; got > 0 && i < static_cast<std::size_t>(got); ++i) {
    if (text.at(i) < '0' || text.at(i) > '9') break;
    digits += text.at(i);
  }
  return digits.empty() ? "another process" : "process " + digits;
}

}  // namespace

Result<LockFile> LockFile::acquire(const std::filesystem::path& directory) {
  const auto path = directory / "vectorizer.lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Error{ErrorType::kInternal, fmt::format("cannot open {}: {}", path.string(), std::strerror(errno))};
  }
  LockFile lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Error{ErrorType::kInternal, fmt::format("cannot lock {}: {}", path.string(), std::strerror(errno))};
    }
    return Error{ErrorType::kInternal,
                 fmt::format("the data directory {} is in use by {}; stop it, or choose another storage.data_dir",
                             directory.string(), holder_of(descriptor))};
  }
  // For the message above; the lock itself does not depend on it.
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor, 0) == 0) static_cast<void>(::pwrite(descriptor, pid.data(), pid.size(), 0) == 0);
  return lock;
}

LockFile::LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

LockFile::~LockFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace vectorizer::storage
