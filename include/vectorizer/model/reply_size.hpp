#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer {

/// About what a point takes in a reply: its payload as it is, a float as some 12 characters.
constexpr std::uint64_t reply_bytes(std::size_t payload_bytes, std::size_t floats) {
  return 64 + payload_bytes + std::uint64_t{13} * floats;
}

/// Counts what is gathered for a reply, so that it is refused before it takes too much memory.
class ReplySize {
 public:
  explicit ReplySize(std::uint64_t limit) : limit_(limit) {}

  /// Counts one more point, anything with `payload` and `vector`; false when it does not fit.
  template <typename AnyPoint>
  [[nodiscard]] bool add(const AnyPoint& point) {
    bytes_ += reply_bytes(point.payload.size(), point.vector.size());
    return bytes_ <= limit_;
  }
  template <typename Points>
  [[nodiscard]] bool add_all(const Points& points) {
    for (const auto& point : points) {
      if (!add(point)) return false;
    }
    return true;
  }
  std::uint64_t bytes() const { return bytes_; }
  Error too_large() const {
    return Error{ErrorType::kPayloadTooLarge, "the reply would be larger than " + std::to_string(limit_) +
                                                  " bytes: ask for less at once (limit, ids), or not for with_vector"}
        .with("limit_bytes", limit_);
  }

 private:
  const std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
};

}  // namespace vectorizer
