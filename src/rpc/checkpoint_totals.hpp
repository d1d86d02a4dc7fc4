#pragma once

#include <cstdint>
#include <string_view>

#include "crc32c.hpp"

namespace vectorizer::rpc {

/// What has passed of the points or of the index of a checkpoint. Both ends keep one and compare them at the end.
class SliceTotal {
 public:
  /// Returns the CRC of the slice alone.
  std::uint32_t add(std::string_view slice) {
    bytes_ += slice.size();
    crc_ = crc32c(slice, crc_);
    return crc32c(slice);
  }
  /// False if the slice does not have the CRC that was sent with it.
  bool add(std::string_view slice, std::uint32_t crc) { return add(slice) == crc; }

  std::uint64_t bytes() const { return bytes_; }
  std::uint32_t crc() const { return crc_; }

 private:
  std::uint64_t bytes_ = 0;
  std::uint32_t crc_ = 0;
};

}  // namespace vectorizer::rpc
