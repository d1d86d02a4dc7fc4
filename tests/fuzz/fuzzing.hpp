#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace vectorizer::fuzzing {

/// Ends the process, which is how a fuzzer is told, if something does not hold that must.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// A directory in memory, where there is one, for as long as the fuzzer runs.
class Scratch {
 public:
  explicit Scratch(const std::string& target) {
    std::error_code failed;
    const bool in_memory = std::filesystem::is_directory("/dev/shm", failed);
    const auto root = in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    path_ = root / (target + "." + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  /// The file `name` with these bytes.
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(file(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace vectorizer::fuzzing
