#include "fanout.hpp"

namespace vectorizer::coordinator {

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
