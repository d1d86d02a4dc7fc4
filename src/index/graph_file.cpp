// The graph's part of an index file; docs/formats/index-file.md describes it.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "graph.hpp"

namespace vectorizer::index {

void Graph::write(FileWriter& out) const {
  out.write_value(entry_.load(std::memory_order_acquire));
  const auto count = static_cast<Slot>(indexed());
  for (Slot slot = 0; slot < count; ++slot) {
    const int levels = hnsw_->element_levels_[slot];
    out.write_value(static_cast<std::uint32_t>(levels));
    for (int level = 0; level <= levels; ++level) {
      auto* list = hnsw_->get_linklist_at_level(slot, level);
      const std::uint32_t links = hnsw_->getListCount(list);
      out.write_value(links);
      out.write(list + 1, links * sizeof(Slot));
    }
  }
}

Result<void> Graph::read(FileReader& in, std::size_t count) {
  ASSIGN_OR_RETURN(const std::uint64_t entry, in.read_value<std::uint64_t>());
  if (count == 0) {
    if (entry != kNoEntry) return in.damaged("an empty graph has an entry");
    return {};
  }
  try {
    reserve(count);
  } catch (const std::exception& error) {
    return Error{ErrorType::kInternal, std::string("no room for the graph: ") + error.what()};
  }
  // Levels are zero so far, so hnswlib's destructor frees exactly the lists that read_node has set.
  hnsw_->cur_element_count = next_ = count;
  for (Slot slot = 0; slot < count; ++slot) RETURN_IF_ERROR(read_node(in, slot, count));
  if (entry != kNoEntry) {
    const std::uint64_t level = entry >> 32;
    const std::uint64_t node = entry & 0xFFFFFFFFU;
    if (node >= count || level != static_cast<std::uint64_t>(hnsw_->element_levels_[node])) {
      return in.damaged("the entry is no node of the top level");
    }
    hnsw_->enterpoint_node_ = static_cast<hnswlib::tableint>(node);
    hnsw_->maxlevel_ = static_cast<int>(level);
  }
  if (auto checked = check_links(); !checked) return in.damaged(checked.error().message);
  indexed_.store(count, std::memory_order_release);
  if (hnsw_->maxlevel_ >= 0) publish_entry({hnsw_->enterpoint_node_, hnsw_->maxlevel_});
  return {};
}

Result<void> Graph::read_node(FileReader& in, Slot slot, std::size_t count) {
  ASSIGN_OR_RETURN(const std::uint32_t levels, in.read_value<std::uint32_t>());
  if (levels > static_cast<std::uint32_t>(kMaxLevel)) return in.damaged("a node has too many levels");
  make_node(slot, static_cast<int>(levels));
  for (std::uint32_t level = 0; level <= levels; ++level) {
    ASSIGN_OR_RETURN(const std::uint32_t links, in.read_value<std::uint32_t>());
    if (links > (level == 0 ? hnsw_->maxM0_ : hnsw_->maxM_)) return in.damaged("a node has too many links");
    auto* list = hnsw_->get_linklist_at_level(slot, static_cast<int>(level));
    RETURN_IF_ERROR(in.read(list + 1, links * sizeof(Slot)));
    hnsw_->setListCount(list, static_cast<std::uint16_t>(links));
    for (std::uint32_t i = 1; i <= links; ++i) {
      if (list[i] >= count || list[i] == slot) return in.damaged("a link leads nowhere");
    }
  }
  return {};
}

/// Every link of a level leads to a node that has this level, and no level is above the entry's.
Result<void> Graph::check_links() const {
  const auto count = static_cast<Slot>(hnsw_->getCurrentElementCount());
  for (Slot slot = 0; slot < count; ++slot) {
    const int levels = hnsw_->element_levels_[slot];
    if (levels > std::max(hnsw_->maxlevel_, 0)) return Error{ErrorType::kInternal, "a node is above the entry"};
    for (int level = 0; level <= levels; ++level) {
      auto* list = hnsw_->get_linklist_at_level(slot, level);
      const std::size_t links = hnsw_->getListCount(list);
      if (links > 0 && hnsw_->maxlevel_ < 0) return Error{ErrorType::kInternal, "there are links but no entry"};
      for (std::size_t i = 1; i <= links; ++i) {
        if (hnsw_->element_levels_[list[i]] < level) return Error{ErrorType::kInternal, "a link leaves its level"};
      }
    }
  }
  return {};
}

}  // namespace vectorizer::index
