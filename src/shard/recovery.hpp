#pragma once

#include <filesystem>
#include <memory>

#include "generation.hpp"

namespace vectorizer::shard {

/// Where the index of a shard is saved.
std::filesystem::path saved_index_file(const ShardOptions& options);

/// Rebuilds what is in memory from the store. Points that the saved index knows, by id and sequence, get their places
/// in its graph back; all others are added and searchable at once. A saved index that is missing, damaged or made with
/// other options is as good as none: only the store can fail this.
Result<std::shared_ptr<Generation>> recover(const ShardOptions& options, const storage::ShardStore& store);

}  // namespace vectorizer::shard
