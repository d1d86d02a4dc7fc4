#include <algorithm>

#include "vectorizer/storage/operation_log.hpp"

namespace vectorizer::storage {

std::uint64_t term_at(std::span<const TermStart> terms, SequenceNumber sequence) {
  std::uint64_t term = 0;
  for (const TermStart& start : terms) {
    if (start.first > sequence) break;
    term = start.term;
  }
  return term;
}

void cut_terms(std::vector<TermStart>& terms, SequenceNumber sequence) {
  while (!terms.empty() && terms.back().first > sequence) terms.pop_back();
}

void rebase_terms(std::vector<TermStart>& terms, const LogPosition& base) {
  // What begins at the base or before it is the base's term, or older.
  std::erase_if(terms, [&](const TermStart& start) { return start.first <= base.sequence; });
  if (base.sequence > 0) terms.insert(terms.begin(), {base.term, base.sequence});
}

}  // namespace vectorizer::storage
