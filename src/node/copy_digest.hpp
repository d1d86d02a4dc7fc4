#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/peer.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

/// Reads a whole copy from disk as of one moment; kTimeout if that takes longer than a caller would wait.
Result<peer::ShardDigest> copy_digest(const storage::Database& database, storage::CopyNumber copy);
/// The same of a part of it.
Result<peer::CopySlice> copy_slice(const storage::Database& database, storage::CopyNumber copy,
                                   const peer::SliceOrder& order);

}  // namespace vectorizer::node
