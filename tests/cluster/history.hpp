#pragma once

#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>

#include "vectorizer/storage/shard_store.hpp"

namespace vectorizer::testing {

/// Everything that any copy has applied, by sequence: the one order of the shard. What is acknowledged must be in it,
/// and every copy must hold exactly what a prefix of it gives.
class History {
 public:
  struct Change {
    bool deleted = false;
    PointId id;
    float value = 0;
    friend bool operator==(const Change&, const Change&) = default;
  };
  static Change change_of(const storage::StoredWrite& write) {
    return {write.deleted, write.point.id, write.deleted ? 0 : write.point.vector.at(0)};
  }

  void applied(const std::string& where, std::span<const storage::StoredWrite> writes) {
    for (const auto& write : writes) agree(where + " applies", write.sequence, change_of(write));
  }
  void acknowledged(std::span<const storage::StoredWrite> writes) {
    for (const auto& write : writes) {
      agree("an acknowledged write", write.sequence, change_of(write));
      last_acknowledged_ = std::max(last_acknowledged_, write.sequence);
    }
    ++acknowledgements_;
  }
  /// The points after the changes up to `sequence`.
  std::map<PointId, std::pair<float, std::uint64_t>> state_at(std::uint64_t sequence) const {
    std::map<PointId, std::pair<float, std::uint64_t>> points;
    for (const auto& [at, change] : changes_) {
      if (at > sequence) break;
      if (change.deleted) {
        points.erase(change.id);
      } else {
        points[change.id] = {change.value, at};
      }
    }
    return points;
  }
  std::uint64_t last_acknowledged() const { return last_acknowledged_; }
  std::size_t acknowledgements() const { return acknowledgements_; }

 private:
  void agree(const std::string& what, std::uint64_t sequence, const Change& change) {
    const auto [found, added] = changes_.emplace(sequence, change);
    EXPECT_TRUE(added || found->second == change)
        << what << " at " << sequence << ": point " << change.id.to_json() << " = " << change.value << " deleted "
        << change.deleted << ", but elsewhere it was " << found->second.id.to_json() << " = " << found->second.value
        << " deleted " << found->second.deleted;
  }

  std::map<std::uint64_t, Change> changes_;
  std::uint64_t last_acknowledged_ = 0;
  std::size_t acknowledgements_ = 0;
};

}  // namespace vectorizer::testing
