#pragma once

#include <filesystem>
#include <memory>

#include "slot_table.hpp"
#include "vectorizer/index/vector_index.hpp"
#include "vectorizer/payload/payload_index.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::shard {

/// What is in memory of a shard, all of it by the same slots. Compaction builds a second one beside the first and
/// swaps.
struct Generation {
  SlotTable table;                                  ///< guarded by ShardState::table_mutex
  std::unique_ptr<index::VectorIndex> index;        ///< synchronises itself
  std::unique_ptr<payload::PayloadIndex> payloads;  ///< synchronises itself
  std::filesystem::path scratch;                    ///< holds the mapped vectors; empty when they are in memory

  Generation() = default;
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
};

/// The index options of a shard; mapped vectors get a directory of their own for each generation.
index::IndexOptions index_options(const ShardOptions& options);
/// Removes the scratch directories and unfinished files that a killed process left behind.
void remove_stale_scratch(const std::filesystem::path& directory);

/// Nothing in it yet.
std::shared_ptr<Generation> make_generation(const ShardOptions& options);
/// Around a loaded index, whose slots are all removed so far.
std::shared_ptr<Generation> make_generation(std::unique_ptr<index::VectorIndex> index, std::size_t slots,
                                            const index::IndexOptions& options);

}  // namespace vectorizer::shard
