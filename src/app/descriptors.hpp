#pragma once

#include <cstdint>

namespace vectorizer::app {

/// Raises the soft limit of open descriptors to the hard one, which is there to be used by who asks: a shell, Docker
/// and the kubelet may start a process with 1024, fewer than `connections`. Warns if the hard one is too small for
/// these and the files of the store.
void raise_descriptor_limit(std::uint32_t connections);

}  // namespace vectorizer::app
