#pragma once

#include <cstddef>

namespace vectorizer::consensus {

/// More than any message of the log has.
inline constexpr std::size_t kMaxRaftAllocation = std::size_t{256} << 20;

/// Makes libraft refuse larger allocations: it believes the length that a message from the network says. For the whole
/// process; idempotent and thread-safe.
void bound_raft_memory();

}  // namespace vectorizer::consensus
