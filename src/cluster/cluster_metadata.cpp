#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::cluster {

const ShardId& CollectionRecord::shard_of(const PointId& id) const {
  return shards.size() == 1 ? shards.front() : shards[ring->owner(id.hash())];
}

const CollectionRecord* ClusterMetadata::find(std::string_view collection) const {
  const auto found = collections.find(collection);
  return found == collections.end() ? nullptr : &found->second;
}

std::shared_ptr<const HashRing> make_shard_ring(const ShardingConfig& sharding) {
  std::vector<std::string> labels;
  labels.reserve(sharding.shard_count);
  for (std::uint32_t i = 0; i < sharding.shard_count; ++i) labels.push_back("shard-" + std::to_string(i));
  return std::make_shared<const HashRing>(labels, sharding.virtual_nodes_per_shard);
}

}  // namespace vectorizer::cluster
