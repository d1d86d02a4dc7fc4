#pragma once

#include <cstdint>

namespace vectorizer {

// What the nodes of a cluster write into logs, checkpoints and messages has a number, the protocol. Each build knows
// all up to its own, and a cluster speaks the largest that every member knows (RaiseProtocol), so that nodes can be
// replaced by newer ones one after the other; it never goes back
// (docs/decisions/0070-a-cluster-speaks-what-all-its-nodes-know.md).

/// The first one.
inline constexpr std::uint32_t kFirstProtocol = 1;
/// Since this one entries may hold results of writes: a write that is sent again is known on every node.
inline constexpr std::uint32_t kProtocolWithResults = 2;

/// The largest that this build knows. `vectorizer-protocol-1` is built to know the first one alone.
std::uint32_t known_protocol();

}  // namespace vectorizer
