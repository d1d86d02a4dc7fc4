#pragma once

#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::node {

/// The copies of shards that a database holds, and how far each is: of one that no node has opened, or of a snapshot.
Result<std::vector<storage::SnapshotCopy>> stored_copies(storage::Database& database);

}  // namespace vectorizer::node
