#include "disk_space.hpp"

#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

namespace vectorizer::storage {

DiskSpace::DiskSpace(Probe probe, std::uint64_t min_free_bytes, std::function<Clock::time_point()> now)
    : probe_(std::move(probe)), min_free_bytes_(min_free_bytes), now_(std::move(now)) {}

std::uint64_t DiskSpace::watermark(const Space& space) const {
  return std::min(min_free_bytes_, space.total_bytes / 20);
}

DiskSpace::Space DiskSpace::look() const {
  const auto now = now_();
  if (looked_ && now - *looked_ < kFreshness) return space_;
  looked_ = now;
  // A disk that cannot be asked keeps its last answer: writes will say themselves when they fail.
  const auto space = probe_();
  if (!space) return space_;
  space_ = *space;
  const bool full = space_.free_bytes < watermark(space_);
  if (full && !full_) {
    spdlog::error("the disk is nearly full: {} MB free, {} MB are the least; writes are refused until there is room",
                  space_.free_bytes >> 20, watermark(space_) >> 20);
  } else if (!full && full_) {
    spdlog::info("the disk has room again: {} MB free; writes are accepted", space_.free_bytes >> 20);
  }
  full_ = full;
  return space_;
}

std::uint64_t DiskSpace::free_bytes() const {
  const std::lock_guard lock(mutex_);
  return look().free_bytes;
}

bool DiskSpace::full() const {
  const std::lock_guard lock(mutex_);
  look();
  return full_;
}

bool DiskSpace::has_room_for(std::uint64_t bytes) const {
  const std::lock_guard lock(mutex_);
  const Space space = look();
  if (space.total_bytes == 0) return true;  // it never said
  return space.free_bytes >= watermark(space) && space.free_bytes - watermark(space) >= bytes;
}

DiskSpace::Probe probe_of(const std::filesystem::path& directory) {
  return [directory]() -> std::optional<DiskSpace::Space> {
    struct statvfs stat {};
    if (::statvfs(directory.c_str(), &stat) != 0) return std::nullopt;
    return DiskSpace::Space{std::uint64_t{stat.f_bavail} * stat.f_frsize, std::uint64_t{stat.f_blocks} * stat.f_frsize};
  };
}

}  // namespace vectorizer::storage
