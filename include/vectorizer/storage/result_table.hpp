#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "vectorizer/model/request_id.hpp"

namespace vectorizer::storage {

/// Which results of writes a copy remembers: the newest, up to a number and an age. Holds where they are, not what they
/// say. Not thread-safe.
class ResultTable {
 public:
  static constexpr std::size_t kMaxResults = 100'000;
  static constexpr std::chrono::minutes kLifetime{15};

  /// In the order of sequences.
  void add(const RequestId& id, std::uint64_t sequence, std::int64_t at_ms);
  /// The sequence of the result; nothing when there is none, or it is too old.
  std::optional<std::uint64_t> find(const RequestId& id, std::int64_t now_ms) const;
  /// The oldest ones that are too old, or too many once `added` more have come; a bounded number at a time.
  std::vector<std::uint64_t> outdated(std::size_t added, std::int64_t now_ms) const;
  /// Forgets the `count` oldest.
  void drop_oldest(std::size_t count);
  void clear();
  std::size_t size() const { return order_.size(); }

 private:
  struct Place {
    std::uint64_t sequence = 0;
    std::int64_t at_ms = 0;
    RequestId id;
  };
  std::deque<Place> order_;
  std::unordered_map<RequestId, Place, RequestIdHash> by_id_;
};

}  // namespace vectorizer::storage
