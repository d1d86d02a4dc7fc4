#include "vectorizer/cluster/cluster_metadata.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "vectorizer/model/protocol.hpp"

namespace vectorizer::cluster {

const ShardId& CollectionRecord::shard_of(const PointId& id) const {
  return shards.size() == 1 ? shards.front() : shards[ring->owner(id.hash())];
}

const CollectionRecord* ClusterMetadata::find(std::string_view collection) const {
  const auto found = collections.find(collection);
  return found == collections.end() ? nullptr : &found->second;
}

bool ClusterMetadata::speaks(std::uint32_t wanted) const {
  return (cluster_id.empty() ? known_protocol() : protocol) >= wanted;
}

std::size_t ClusterMetadata::member_count() const {
  return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [](const auto& item) {
    return item.second.raft_id != 0 && item.second.status != NodeStatus::kRemoved;
  }));
}

std::vector<NodeId> ClusterMetadata::active_nodes() const {
  std::vector<NodeId> active;
  for (const auto& [id, node] : nodes) {
    if (node.status == NodeStatus::kActive) active.push_back(id);
  }
  return active;
}

bool ClusterMetadata::present(const CopyRecord& copy) const {
  const auto found = nodes.find(copy.node);
  return found != nodes.end() && found->second.status != NodeStatus::kRemoved && found->second.uuid == copy.node_uuid;
}

bool ClusterMetadata::live(const CopyRecord& copy) const {
  if (!present(copy)) return false;
  const auto status = nodes.at(copy.node).status;
  return status == NodeStatus::kActive || status == NodeStatus::kDraining;
}

const MigrationRecord* ClusterMetadata::migration_of(const ShardId& shard) const {
  for (const auto& [id, migration] : migrations) {
    if (migration.move.shard == shard && !migration.ended()) return &migration;
  }
  return nullptr;
}

std::shared_ptr<const HashRing> make_shard_ring(const ShardingConfig& sharding) {
  using Shape = std::pair<std::uint32_t, std::uint32_t>;
  // A ring depends on nothing else, costs up to 16 MB and a second to make, and most collections have the same shape.
  static std::mutex mutex;
  static std::map<Shape, std::weak_ptr<const HashRing>> rings;

  const Shape shape{sharding.shard_count, sharding.virtual_nodes_per_shard};
  const std::lock_guard lock(mutex);
  if (auto ring = rings[shape].lock()) return ring;
  std::vector<std::string> labels;
  labels.reserve(sharding.shard_count);
  for (std::uint32_t i = 0; i < sharding.shard_count; ++i) labels.push_back("shard-" + std::to_string(i));
  auto ring = std::make_shared<const HashRing>(labels, sharding.virtual_nodes_per_shard);
  std::erase_if(rings, [](const auto& item) { return item.second.expired(); });
  rings[shape] = ring;
  return ring;
}

}  // namespace vectorizer::cluster
