#pragma once

#include <atomic>

namespace vectorizer::client {

/// Makes the first SIGINT or SIGTERM set the returned flag, so that work stops where it is safe. A second one ends the
/// process as usual.
const std::atomic<bool>& stop_on_signal();

}  // namespace vectorizer::client
