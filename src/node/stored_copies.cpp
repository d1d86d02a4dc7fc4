#include "vectorizer/node/stored_copies.hpp"

#include "copy_registry.hpp"

namespace vectorizer::node {

Result<std::vector<storage::SnapshotCopy>> stored_copies(storage::Database& database) {
  ASSIGN_OR_RETURN(const auto registered, CopyRegistry::read(database));
  std::vector<storage::SnapshotCopy> copies;
  for (const auto& [shard, local] : registered) {
    ASSIGN_OR_RETURN(const auto log, database.open_log(local.number));
    storage::SnapshotCopy copy;
    copy.shard = shard;
    copy.copy = local.id;
    copy.number = local.number;
    copy.term = log->term();
    copy.last = log->last();
    copy.applied = database.open_logged_store(local.number)->applied_sequence();
    if (copy.last == LogPosition{}) copy.last.sequence = copy.applied;
    copies.push_back(copy);
  }
  return copies;
}

}  // namespace vectorizer::node
