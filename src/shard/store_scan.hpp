#pragma once

#include <vector>

#include "shard_state.hpp"

namespace vectorizer::shard {

/// The exact answer to a query, from the vectors in the store: for a shard that keeps only codes in memory. Without a
/// filter the store's points are read in one go, as of one moment; with one, those that match, each as it is when it
/// is read.
Result<std::vector<ScoredPoint>> exact_search_of_store(const ShardState& state, const SearchQuery& query);

}  // namespace vectorizer::shard
