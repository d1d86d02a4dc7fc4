#pragma once

#include <cstdint>
#include <map>

namespace vectorizer::client {

/// Up to which row everything is done, while batches finish in any order.
class Watermark {
 public:
  explicit Watermark(std::uint64_t rows) : rows_(rows) {}
  /// Rows first .. first + count - 1 are done. Each row is reported once.
  void complete(std::uint64_t first, std::uint64_t count);
  /// All rows below are done.
  std::uint64_t rows() const { return rows_; }

 private:
  std::uint64_t rows_;
  std::map<std::uint64_t, std::uint64_t> ahead_;  // first -> count, beyond a gap
};

}  // namespace vectorizer::client
