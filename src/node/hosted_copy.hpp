#pragma once

#include <map>
#include <memory>

#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/replication/replica_group.hpp"
#include "vectorizer/shard/shard.hpp"
#include "vectorizer/storage/database.hpp"

namespace vectorizer::node {

/// One copy of a shard that is open on this node.
struct HostedCopy {
  std::uint64_t id = 0;  ///< in the metadata
  storage::CopyNumber number = 0;
  std::shared_ptr<shard::Shard> shard;
  std::shared_ptr<replication::ReplicaGroup> group;  ///< null on a single node, where nobody is asked
};

using HostedCopies = std::map<ShardId, std::shared_ptr<const HostedCopy>>;

}  // namespace vectorizer::node
