#include "vectorizer/base/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace vectorizer {
namespace {

Error file_error(std::string_view doing, const std::filesystem::path& path, int cause) {
  const ErrorType type = cause == ENOSPC || cause == EDQUOT ? ErrorType::kStorageFull : ErrorType::kInternal;
  return Error{type, fmt::format("cannot {} '{}': {}", doing, path.string(),
                                 std::error_code(cause, std::generic_category()).message())};
}

}  // namespace

Result<void> sync_directory_of(const std::filesystem::path& path) {
  const auto directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int cause = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) return file_error("sync the directory of", path, cause);
  return {};
}

DurableFile::DurableFile(std::filesystem::path place)
    : place_(std::move(place)), temporary_(place_.string().append(kUnfinished)) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) create_error_ = errno;
}

DurableFile::~DurableFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

Error DurableFile::failed(std::string_view doing) const {
  return file_error(doing, place_, errno);
}

Result<void> DurableFile::write(std::string_view bytes) {
  if (create_error_ != 0) return file_error("create", place_, create_error_);
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> DurableFile::commit() {
  if (create_error_ != 0) return file_error("create", place_, create_error_);
  if (::fsync(descriptor_) != 0) return failed("sync");
  if (::rename(temporary_.c_str(), place_.c_str()) != 0) return failed("replace");
  ::close(std::exchange(descriptor_, -1));
  return sync_directory_of(place_);
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes) {
  DurableFile file(path);
  RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return file_error("open", path, errno);
  // The bound may be far above what any file has: memory follows the file.
  std::string bytes;
  std::array<char, 16384> block;
  while (bytes.size() <= max_bytes && stream.read(block.data(), block.size()).gcount() > 0) {
    bytes.append(block.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad()) return file_error("read", path, errno);
  if (bytes.size() > max_bytes) {
    return Error{ErrorType::kInternal, fmt::format("'{}' is larger than {} bytes", path.string(), max_bytes)};
  }
  return bytes;
}

}  // namespace vectorizer
