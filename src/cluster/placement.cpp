#include "vectorizer/cluster/placement.hpp"

#include <xxhash.h>

#include <cassert>
#include <string>

namespace vectorizer::cluster {
namespace {

constexpr std::uint32_t kVirtualNodesPerNode = 100;

std::size_t even_share(std::size_t things, std::size_t nodes) {
  return (things + nodes - 1) / nodes;
}

/// The first candidate that has less than its even share.
std::size_t first_below(const std::vector<std::size_t>& candidates, const std::vector<std::size_t>& load,
                        std::size_t cap) {
  for (const auto candidate : candidates) {
    if (load[candidate] < cap) return candidate;
  }
  return candidates.front();
}

}  // namespace

std::vector<ShardPlacement> place_shards(const ClusterMetadata& metadata, const CollectionConfig& config,
                                         std::uint64_t first_shard_id) {
  std::vector<std::string> labels;
  for (const auto& [id, node] : metadata.nodes) labels.push_back(id.value());
  assert(labels.size() >= config.sharding.replication_factor && !labels.empty());
  const HashRing ring(labels, kVirtualNodesPerNode);
  const auto nodes = labels.size();
  const auto cap = even_share(config.sharding.shard_count, nodes);

  std::vector<std::size_t> primaries(nodes, 0);
  std::vector<ShardPlacement> placements;
  for (std::uint32_t i = 0; i < config.sharding.shard_count; ++i) {
    ShardPlacement placement;
    placement.shard = ShardId(first_shard_id + i);
    placement.collection = config.name;
    const auto key = config.name + '/' + std::to_string(i);
    const auto primary = first_below(ring.owners(XXH3_64bits(key.data(), key.size()), nodes), primaries, cap);
    placement.primary = NodeId(labels[primary]);
    placement.replicas.push_back(placement.primary);
    // The shards that share a primary spread their other copies over the other nodes in turn, so that these are even
    // too.
    const auto turn = primaries[primary]++;
    for (std::size_t copy = 1; copy < config.sharding.replication_factor; ++copy) {
      const auto step = 1 + (turn + copy - 1) % (nodes - 1);
      placement.replicas.emplace_back(labels[(primary + step) % nodes]);
    }
    placements.push_back(std::move(placement));
  }
  return placements;
}

}  // namespace vectorizer::cluster
