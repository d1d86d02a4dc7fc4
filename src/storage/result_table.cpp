#include "vectorizer/storage/result_table.hpp"

#include <algorithm>

namespace vectorizer::storage {
namespace {

constexpr std::size_t kDroppedAtOnce = 4096;

bool too_old(std::int64_t at_ms, std::int64_t now_ms) {
  return now_ms - at_ms >= std::chrono::milliseconds(ResultTable::kLifetime).count();
}

}  // namespace

void ResultTable::add(const RequestId& id, std::uint64_t sequence, std::int64_t at_ms) {
  order_.push_back({sequence, at_ms, id});
  by_id_[id] = order_.back();
}

std::optional<std::uint64_t> ResultTable::find(const RequestId& id, std::int64_t now_ms) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || too_old(found->second.at_ms, now_ms)) return std::nullopt;
  return found->second.sequence;
}

std::vector<std::uint64_t> ResultTable::outdated(std::size_t added, std::int64_t now_ms) const {
  std::vector<std::uint64_t> found;
  for (const Place& place : order_) {
    const bool too_many = order_.size() - found.size() + added > kMaxResults;
    if (found.size() == kDroppedAtOnce || (!too_many && !too_old(place.at_ms, now_ms))) break;
    found.push_back(place.sequence);
  }
  return found;
}

void ResultTable::drop_oldest(std::size_t count) {
  for (; count > 0 && !order_.empty(); --count) {
    const Place& oldest = order_.front();
    // A request that came again after its result was too old has a newer one.
    const auto found = by_id_.find(oldest.id);
    if (found != by_id_.end() && found->second.sequence == oldest.sequence) by_id_.erase(found);
    order_.pop_front();
  }
}

void ResultTable::clear() {
  order_.clear();
  by_id_.clear();
}

}  // namespace vectorizer::storage
