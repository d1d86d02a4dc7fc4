#include "vectorizer/cluster/placement.hpp"

#include <xxhash.h>

#include <cassert>
#include <string>

namespace vectorizer::cluster {
namespace {

constexpr std::uint32_t kVirtualNodesPerNode = 100;

std::size_t even_share(std::size_t things, std::size_t nodes) { return (things + nodes - 1) / nodes; }

/// The first candidate whose load is below the cap, else the least loaded one.
std::size_t take(const std::vector<std::size_t>& candidates, const std::vector<std::size_t>& load,
                 const std::vector<bool>& taken, std::size_t cap) {
  std::size_t best = load.size();
  for (const auto candidate : candidates) {
    if (taken[candidate]) continue;
    if (load[candidate] < cap) return candidate;
    if (best == load.size() || load[candidate] < load[best]) best = candidate;
  }
  return best;
}

}  // namespace

std::vector<ShardPlacement> place_shards(const ClusterMetadata& metadata, const CollectionConfig& config,
                                         std::uint64_t first_shard_id) {
  std::vector<std::string> labels;
  for (const auto& [id, node] : metadata.nodes) labels.push_back(id.value());
  assert(labels.size() >= config.sharding.replication_factor && !labels.empty());
  const HashRing ring(labels, kVirtualNodesPerNode);
  const std::size_t copies = config.sharding.replication_factor;
  const auto primary_cap = even_share(config.sharding.shard_count, labels.size());
  const auto copy_cap = even_share(config.sharding.shard_count * copies, labels.size());

  std::vector<std::size_t> primaries(labels.size(), 0);
  std::vector<std::size_t> held(labels.size(), 0);
  std::vector<ShardPlacement> placements;
  for (std::uint32_t i = 0; i < config.sharding.shard_count; ++i) {
    ShardPlacement placement;
    placement.shard = ShardId(first_shard_id + i);
    placement.collection = config.name;
    const auto key = config.name + '/' + std::to_string(i);
    const auto candidates = ring.owners(XXH3_64bits(key.data(), key.size()), labels.size());
    std::vector<bool> taken(labels.size(), false);
    for (std::size_t copy = 0; copy < copies; ++copy) {
      const auto node = copy == 0 ? take(candidates, primaries, taken, primary_cap) : take(candidates, held, taken, copy_cap);
      taken[node] = true;
      ++held[node];
      if (copy == 0) {
        ++primaries[node];
        placement.primary = NodeId(labels[node]);
      }
      placement.replicas.emplace_back(labels[node]);
    }
    placements.push_back(std::move(placement));
  }
  return placements;
}

}  // namespace vectorizer::cluster
