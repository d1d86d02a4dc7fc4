#pragma once

// The only way into libraft. Its header is C: it has no extern "C", and version 0.22.1 defines structs inside sizeof in
// static assertions, which C++ refuses. The assertions check the library's own layout; the system headers that use the
// keyword are included before it is hidden.
#include <uv.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#define static_assert(...)
extern "C" {
#include <raft.h>
#include <raft/uv.h>
}
#undef static_assert

#include <cstring>
#include <memory>
#include <new>
#include <string_view>

namespace vectorizer::consensus {

/// For what libraft will free. Out of memory is as final here as in operator new.
inline void* raft_allocate(std::size_t size) {
  void* memory = raft_malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

template <typename T>
T* raft_allocate_zeroed(std::size_t count = 1) {
  void* memory = raft_calloc(count == 0 ? 1 : count, sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

inline raft_buffer raft_copy(std::string_view bytes) {
  raft_buffer buffer{raft_allocate(bytes.size()), bytes.size()};
  if (!bytes.empty()) std::memcpy(buffer.base, bytes.data(), bytes.size());
  return buffer;
}

struct RaftFree {
  void operator()(void* memory) const { raft_free(memory); }
};

/// Frees a snapshot with all that it owns.
struct SnapshotFree {
  void operator()(raft_snapshot* snapshot) const {
    raft_configuration_close(&snapshot->configuration);
    for (unsigned i = 0; i < snapshot->n_bufs; ++i) raft_free(snapshot->bufs[i].base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
  }
};
using OwnedSnapshot = std::unique_ptr<raft_snapshot, SnapshotFree>;

}  // namespace vectorizer::consensus
