#include "search_scratch.hpp"

namespace vectorizer::index {

void CandidatePool::insert(float distance, Slot slot, bool rejected) {
  const auto after = [](float value, const Candidate& candidate) { return value < candidate.distance; };
  const auto place = std::upper_bound(candidates_.begin(), candidates_.end(), distance, after);
  const auto index = static_cast<std::size_t>(place - candidates_.begin());
  candidates_.insert(place, {distance, rejected ? slot | kRejected : slot});
  next_ = std::min(next_, index);
  if (rejected || ++accepted_ <= ef_) return;
  do {
    if (!candidates_.back().rejected()) --accepted_;
    candidates_.pop_back();
  } while (accepted_ > ef_ || candidates_.back().rejected());
}

bool CandidatePool::expand_next(Slot& slot) {
  if (!peek_next(slot)) return false;
  candidates_[next_++].tagged |= kExpanded;
  return true;
}

bool CandidatePool::peek_next(Slot& slot) {
  while (next_ < candidates_.size() && candidates_[next_].expanded()) ++next_;
  if (next_ >= candidates_.size()) return false;
  slot = candidates_[next_].slot();
  return true;
}

void SearchScratch::clear_visited(std::size_t slots) {
  if (visited.size() < slots) visited.resize(std::max(slots, visited.size() * 2));
  if (++epoch != 0) return;
  std::fill(visited.begin(), visited.end(), std::uint16_t{0});
  epoch = 1;
}

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

}  // namespace vectorizer::index
