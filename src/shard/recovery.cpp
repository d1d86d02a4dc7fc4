#include "recovery.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <system_error>

namespace vectorizer::shard {
namespace {

struct SavedIndex {
  std::shared_ptr<Generation> generation;
  std::vector<SavedSlot> slots;  // by id
};

Result<SavedIndex> load_saved(const ShardOptions& options, const std::filesystem::path& file) {
  const index::IndexOptions chosen = index_options(options);
  ASSIGN_OR_RETURN(index::LoadedIndex loaded, index::load_vector_index(chosen, file));
  SavedIndex saved;
  saved.generation = make_generation(std::move(loaded.index), loaded.slots, chosen);
  ASSIGN_OR_RETURN(saved.slots, SlotTable::decode(loaded.extra));
  // The table was written just before the graph, so it may know of fewer slots or, when the graph is older, of more.
  std::erase_if(saved.slots, [&](const SavedSlot& slot) { return slot.slot >= loaded.slots; });
  std::sort(saved.slots.begin(), saved.slots.end(), [](const SavedSlot& a, const SavedSlot& b) { return a.id < b.id; });
  const auto twice = std::adjacent_find(saved.slots.begin(), saved.slots.end(),
                                        [](const SavedSlot& a, const SavedSlot& b) { return a.id == b.id; });
  if (twice != saved.slots.end()) return Error{ErrorType::kInternal, "saved slot table: an id twice"};
  return saved;
}

SavedIndex load_or_empty(const ShardOptions& options) {
  const std::filesystem::path file = saved_index_file(options);
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    auto saved = load_saved(options, file);
    if (saved) return *std::move(saved);
    spdlog::warn("shard {}: {} is not usable ({}); the index is rebuilt from the store", options.id.value(),
                 file.string(), saved.error().message);
  }
  return SavedIndex{make_generation(options), {}};
}

/// In slot order, as the payload index wants it.
Result<void> index_payloads(Generation& generation, const storage::ShardStore& store) {
  for (Slot slot = 0; slot < generation.table.slots(); ++slot) {
    const SlotEntry* entry = generation.table.live(slot);
    if (entry == nullptr) continue;
    if (!entry->payload_in_store) {
      generation.payloads->add(slot, entry->id, entry->payload);
      continue;
    }
    ASSIGN_OR_RETURN(const auto stored, store.get(entry->id));
    if (!stored) return Error{ErrorType::kInternal, "a point vanished from the store: " + entry->id.to_json()};
    generation.payloads->add(slot, entry->id, stored->point.payload);
  }
  return {};
}

}  // namespace

std::filesystem::path saved_index_file(const ShardOptions& options) {
  return options.directory / kSavedIndexFile;
}

Result<std::shared_ptr<Generation>> recover(const ShardOptions& options, const storage::ShardStore& store) {
  SavedIndex saved = load_or_empty(options);
  Generation& generation = *saved.generation;
  std::size_t restored = 0;
  auto next_saved = saved.slots.begin();
  RETURN_IF_ERROR(store.scan(std::nullopt, [&](storage::StoredPoint&& stored) {
    const Point& point = stored.point;
    while (next_saved != saved.slots.end() && next_saved->id < point.id) ++next_saved;  // both are in id order
    const bool known =
        next_saved != saved.slots.end() && next_saved->id == point.id && next_saved->sequence == stored.sequence;
    if (known) {
      index::restore_vector(*generation.index, next_saved->slot, point.vector);
      generation.table.restore(next_saved->slot, point.id, stored.sequence, point.payload);
      ++restored;
    } else {
      [[maybe_unused]] const Slot in_index = generation.index->add(point.vector);
      [[maybe_unused]] const Slot in_table = generation.table.append(point.id, stored.sequence, point.payload);
      assert(in_index == in_table);
    }
    return true;
  }));
  RETURN_IF_ERROR(index_payloads(generation, store));
  spdlog::info("shard {}: {} vectors, {} of them in the saved index", options.id.value(), generation.table.live_count(),
               restored);
  return std::move(saved.generation);
}

}  // namespace vectorizer::shard
