#include "raft_memory.hpp"

#include <cstdlib>

#include "raft_c.hpp"

namespace vectorizer::consensus {
namespace {

bool fits(std::size_t size) {
  return size <= kMaxRaftAllocation;
}

raft_heap bounded_heap() {
  raft_heap heap{};
  heap.malloc = [](void*, std::size_t size) { return fits(size) ? std::malloc(size) : nullptr; };
  heap.free = [](void*, void* memory) { std::free(memory); };
  heap.calloc = [](void*, std::size_t count, std::size_t size) {
    const bool small = size == 0 || count <= kMaxRaftAllocation / size;
    return small ? std::calloc(count, size) : nullptr;
  };
  heap.realloc = [](void*, void* memory, std::size_t size) {
    return fits(size) ? std::realloc(memory, size) : nullptr;
  };
  heap.aligned_alloc = [](void*, std::size_t alignment, std::size_t size) {
    return fits(size) ? std::aligned_alloc(alignment, size) : nullptr;
  };
  heap.aligned_free = [](void*, std::size_t, void* memory) { std::free(memory); };
  return heap;
}

}  // namespace

void bound_raft_memory() {
  static raft_heap heap = bounded_heap();
  [[maybe_unused]] static const bool set = [] {
    raft_heap_set(&heap);
    return true;
  }();
}

}  // namespace vectorizer::consensus
