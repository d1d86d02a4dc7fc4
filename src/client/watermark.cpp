#include "watermark.hpp"

namespace vectorizer::client {

void Watermark::complete(std::uint64_t first, std::uint64_t count) {
  ahead_.emplace(first, count);
  for (auto next = ahead_.begin(); next != ahead_.end() && next->first == rows_; next = ahead_.erase(next)) {
    rows_ += next->second;
  }
}

}  // namespace vectorizer::client
