#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>

namespace vectorizer::storage {

/// Watches the file system that holds the data. Below a watermark it is full; full or not is logged when it changes.
/// Asks the system at most once a second. Thread-safe.
class DiskSpace {
 public:
  struct Space {
    std::uint64_t free_bytes = 0;  ///< for a process without privileges
    std::uint64_t total_bytes = 0;
  };
  using Clock = std::chrono::steady_clock;
  using Probe = std::function<std::optional<Space>()>;
  static constexpr std::chrono::seconds kFreshness{1};

  /// @param min_free_bytes the watermark, or 5 % of the disk where that is less.
  DiskSpace(Probe probe, std::uint64_t min_free_bytes, std::function<Clock::time_point()> now = Clock::now);

  std::uint64_t free_bytes() const;
  bool full() const;
  /// Whether it would not be full with as many bytes more on it.
  bool has_room_for(std::uint64_t bytes) const;

 private:
  Space look() const;
  std::uint64_t watermark(const Space& space) const;

  const Probe probe_;
  const std::uint64_t min_free_bytes_;
  const std::function<Clock::time_point()> now_;
  mutable std::mutex mutex_;
  mutable std::optional<Clock::time_point> looked_;
  mutable Space space_;
  mutable bool full_ = false;
};

/// statvfs of a directory; nothing when the system does not say.
DiskSpace::Probe probe_of(const std::filesystem::path& directory);

}  // namespace vectorizer::storage
