#include "log_match.hpp"

#include <algorithm>

namespace vectorizer::replication {
namespace {

std::uint64_t end_of(const LogOutline& log, std::size_t at) {
  return at + 1 < log.terms.size() ? log.terms[at + 1].first - 1 : log.last.sequence;
}

}  // namespace

std::optional<LogPosition> last_match(const LogOutline& ours, const LogOutline& theirs) {
  for (std::size_t i = ours.terms.size(); i-- > 0;) {
    for (std::size_t j = theirs.terms.size(); j-- > 0;) {
      if (ours.terms[i].term != theirs.terms[j].term) continue;
      const std::uint64_t end = std::min(end_of(ours, i), end_of(theirs, j));
      const std::uint64_t first = std::max(ours.terms[i].first, theirs.terms[j].first);
      if (end >= first) return LogPosition{end, ours.terms[i].term};
    }
  }
  if (ours.base == LogPosition{}) return LogPosition{};
  return std::nullopt;
}

}  // namespace vectorizer::replication
