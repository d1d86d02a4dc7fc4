#include "fanout.hpp"

#include <algorithm>

namespace vectorizer::coordinator {

bool all_here(std::span<const Target> targets) {
  return std::all_of(targets.begin(), targets.end(), [](const Target& target) {
    return target.candidates.size() == 1 && target.candidates.front().local;
  });
}

bool another_may_answer(ErrorType type) {
  switch (type) {
    case ErrorType::kShardUnavailable:
    case ErrorType::kNodeUnreachable:
    case ErrorType::kTimeout:
    case ErrorType::kInternal:
    case ErrorType::kOverloaded:
    case ErrorType::kShuttingDown:
      return true;
    default:
      return false;
  }
}

}  // namespace vectorizer::coordinator
