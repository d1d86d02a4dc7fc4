#pragma once

#include <optional>
#include <span>

#include "vectorizer/model/log_entry.hpp"

namespace vectorizer::replication {

/// A log, as the list of its terms describes it.
struct LogOutline {
  std::span<const TermStart> terms;
  LogPosition base;
  LogPosition last;
};

/// The last position that both logs are known to hold; {0, 0} when ours goes back to the beginning. Nothing when the
/// other log could not continue from anything that ours keeps.
///
/// Within a term both logs hold the same entries from its first one on, so they agree up to the end of the shorter.
std::optional<LogPosition> last_match(const LogOutline& ours, const LogOutline& theirs);

}  // namespace vectorizer::replication
