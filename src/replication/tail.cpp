#include "tail.hpp"

#include <algorithm>

namespace vectorizer::replication {

void Tail::push(LogEntry entry) {
  bytes_ += entry.bytes.size();
  entries_.push_back(std::move(entry));
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.front().bytes.size();
    entries_.pop_front();
  }
}

void Tail::clear() {
  entries_.clear();
  bytes_ = 0;
}

std::optional<std::vector<LogEntry>> Tail::after(std::uint64_t sequence, std::size_t max_bytes) const {
  const auto first = std::lower_bound(entries_.begin(), entries_.end(), sequence + 1,
                                      [](const LogEntry& entry, std::uint64_t wanted) { return entry.first < wanted; });
  if (first == entries_.end() || first->first != sequence + 1) return std::nullopt;
  std::vector<LogEntry> found;
  std::size_t bytes = 0;
  for (auto entry = first; entry != entries_.end(); ++entry) {
    if (!found.empty() && bytes + entry->bytes.size() > max_bytes) break;
    bytes += entry->bytes.size();
    found.push_back(*entry);
  }
  return found;
}

}  // namespace vectorizer::replication
