#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::storage {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;
/// A damaged snapshot names so many files; more say nothing new.
constexpr std::size_t kMaxProblems = 20;
/// What a data directory may hold beside the files of a node.
constexpr std::array<std::string_view, 3> kDirectories{"db", "raft", "index"};

Error failed(std::string_view what, const std::filesystem::path& path) {
  return Error{ErrorType::kInternal,
               fmt::format("cannot {} '{}': {}", what, path.string(), std::generic_category().message(errno))};
}

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

struct HashFree {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

Result<SnapshotFile> sum_file(const std::filesystem::path& path, bool sync, const std::function<bool()>& stop) {
  const Descriptor file(path);
  if (file.get() < 0) return failed("open", path);
  const std::unique_ptr<XXH3_state_t, HashFree> hash(XXH3_createState());
  XXH3_64bits_reset(hash.get());
  std::string block(kBlock, '\0');
  SnapshotFile sum;
  for (;;) {
    const auto got = ::read(file.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) break;
    sum.bytes += static_cast<std::uint64_t>(got);
    XXH3_64bits_update(hash.get(), block.data(), static_cast<std::size_t>(got));
    if (stop && stop()) return Error{ErrorType::kShuttingDown, "the node stops"};
  }
  if (sync && ::fsync(file.get()) != 0) return failed("sync", path);
  sum.checksum = XXH3_64bits_digest(hash.get());
  return sum;
}

/// Every file below `directory`, relative to it, in order; links and other things that no node makes are errors.
Result<std::vector<std::string>> files_below(const std::filesystem::path& directory) {
  std::vector<std::string> paths;
  std::error_code problem;
  std::filesystem::recursive_directory_iterator entry(directory, problem);
  for (; !problem && entry != std::filesystem::recursive_directory_iterator(); entry.increment(problem)) {
    const auto path = entry->path().lexically_relative(directory).generic_string();
    const auto status = entry->symlink_status(problem);
    if (problem) break;
    if (std::filesystem::is_directory(status)) continue;
    if (!std::filesystem::is_regular_file(status)) {
      return Error{ErrorType::kConflict, fmt::format("'{}' in {} is no plain file", path, directory.string())};
    }
    if (path != kSnapshotManifest && path != kRestoreMarker) paths.push_back(path);
  }
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot list '{}': {}", directory.string(), problem.message())};
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool same_file(const std::filesystem::path& one, const std::filesystem::path& other) {
  struct stat a {
  }, b{};
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

Result<void> sync_directories(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> all{directory};
  std::error_code problem;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, problem)) {
    if (entry.is_directory()) all.push_back(entry.path());
  }
  for (const auto& path : all) {
    const Descriptor opened(path);
    if (opened.get() < 0 || ::fsync(opened.get()) != 0) return failed("sync", path);
  }
  return {};
}

/// Beside what was restored a data directory may hold other things, but nothing where a node would take it for its own.
bool is_of_node(std::string_view path) {
  return std::any_of(kDirectories.begin(), kDirectories.end(), [&](std::string_view directory) {
    return path.size() > directory.size() && path.substr(0, directory.size()) == directory &&
           path[directory.size()] == '/';
  });
}

}  // namespace

Result<std::vector<SnapshotFile>> sum_files(const std::filesystem::path& directory,
                                            const std::filesystem::path& before_directory,
                                            const SnapshotManifest* before, std::uint64_t& shared_bytes,
                                            const std::function<bool()>& stop) {
  ASSIGN_OR_RETURN(const auto paths, files_below(directory));
  std::map<std::string_view, const SnapshotFile*> known;
  if (before != nullptr) {
    for (const auto& file : before->files) known.emplace(file.path, &file);
  }
  shared_bytes = 0;
  std::vector<SnapshotFile> files;
  for (const auto& path : paths) {
    const auto found = known.find(path);
    if (found != known.end() && same_file(directory / path, before_directory / path)) {
      files.push_back(*found->second);
      shared_bytes += files.back().bytes;
      continue;
    }
    ASSIGN_OR_RETURN(auto file, sum_file(directory / path, true, stop));
    file.path = path;
    files.push_back(std::move(file));
  }
  RETURN_IF_ERROR(sync_directories(directory));
  return files;
}

Result<std::vector<std::string>> check_files(const std::filesystem::path& directory, const SnapshotManifest& manifest,
                                             const std::function<bool()>& stop) {
  std::vector<std::string> problems;
  const auto note = [&](std::string line) {
    if (problems.size() < kMaxProblems) problems.push_back(std::move(line));
  };
  std::map<std::string_view, const SnapshotFile*> known;
  for (const auto& file : manifest.files) {
    known.emplace(file.path, &file);
    std::error_code problem;
    const auto bytes = std::filesystem::file_size(directory / file.path, problem);
    if (problem) {
      note(fmt::format("{}: is missing", file.path));
    } else if (bytes != file.bytes) {
      note(fmt::format("{}: has {} bytes, not {}", file.path, bytes, file.bytes));
    } else {
      const auto sum = sum_file(directory / file.path, false, stop);
      if (!sum && sum.error().type == ErrorType::kShuttingDown) return sum.error();
      if (!sum) {
        note(fmt::format("{}: {}", file.path, sum.error().message));
      } else if (sum->checksum != file.checksum) {
        note(fmt::format("{}: its content is not what was saved", file.path));
      }
    }
  }
  ASSIGN_OR_RETURN(const auto paths, files_below(directory));
  for (const auto& path : paths) {
    if (is_of_node(path) && known.count(path) == 0) note(fmt::format("{}: does not belong to the snapshot", path));
  }
  return problems;
}

}  // namespace vectorizer::storage
