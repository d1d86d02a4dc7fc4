#include "vectorizer/cluster/placement.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <mutex>
#include <string>

#include "spread.hpp"

namespace vectorizer::cluster {
namespace {

constexpr std::uint32_t kVirtualNodesPerNode = 100;
constexpr std::uint32_t kDefaultCopies = 2;

/// The ring of these nodes. The last one is kept: a plan asks for the same one for each collection.
std::shared_ptr<const HashRing> node_ring(std::vector<std::string> labels) {
  static std::mutex mutex;
  static std::vector<std::string> last_labels;
  static std::shared_ptr<const HashRing> last;

  const std::lock_guard lock(mutex);
  if (last == nullptr || last_labels != labels) {
    last = std::make_shared<const HashRing>(labels, kVirtualNodesPerNode);
    last_labels = std::move(labels);
  }
  return last;
}

/// The nodes of a cluster by position, and which a shard prefers.
class Candidates {
 public:
  explicit Candidates(std::vector<NodeId> nodes) : nodes_(std::move(nodes)), ring_(node_ring(labels(nodes_))) {}

  const std::vector<NodeId>& nodes() const { return nodes_; }
  std::vector<std::size_t> preference(const std::string& collection, std::size_t shard) const {
    const auto key = collection + '/' + std::to_string(shard);
    return ring_->owners(XXH3_64bits(key.data(), key.size()), nodes_.size());
  }
  std::vector<NodeId> named(const std::vector<std::size_t>& positions) const {
    std::vector<NodeId> named;
    for (const auto position : positions) named.push_back(nodes_[position]);
    return named;
  }

 private:
  static std::vector<std::string> labels(const std::vector<NodeId>& nodes) {
    std::vector<std::string> labels;
    for (const auto& node : nodes) labels.push_back(node.value());
    return labels;
  }

  std::vector<NodeId> nodes_;
  std::shared_ptr<const HashRing> ring_;
};

/// The copies of a shard that may stay where they are, the primary's first.
std::vector<std::size_t> staying(const ShardPlacement& placement, const std::vector<NodeId>& nodes) {
  std::vector<std::size_t> positions;
  for (const auto& copy : placement.copies) {
    const auto found = std::find(nodes.begin(), nodes.end(), copy.node);
    if (found == nodes.end()) continue;
    positions.push_back(static_cast<std::size_t>(found - nodes.begin()));
    if (copy.node == placement.primary) std::swap(positions.front(), positions.back());
  }
  return positions;
}

}  // namespace

ShardingConfig with_sharding_defaults(ShardingConfig sharding, std::size_t nodes) {
  if (sharding.replication_factor == 0) {
    sharding.replication_factor =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(nodes, 1, std::size_t{kDefaultCopies}));
  }
  if (sharding.min_in_sync == 0) {
    sharding.min_in_sync = sharding.replication_factor >= 3 ? sharding.replication_factor / 2 + 1 : 1;
  }
  return sharding;
}

std::vector<ShardPlacement> place_shards(const ClusterMetadata& metadata, const CollectionConfig& config,
                                         std::uint64_t first_shard_id) {
  const Candidates candidates(metadata.active_nodes());
  const auto factor = config.sharding.replication_factor;
  assert(factor >= 1 && candidates.nodes().size() >= factor);

  Spread spread(std::vector<bool>(candidates.nodes().size(), true));
  for (std::size_t i = 0; i < config.sharding.shard_count; ++i) {
    spread.add({});
    spread.resize(i, factor, candidates.preference(config.name, i));
  }
  spread.even_primaries();

  std::uint64_t copy_id = metadata.next_copy_id;
  std::vector<ShardPlacement> placements;
  for (std::size_t i = 0; i < config.sharding.shard_count; ++i) {
    ShardPlacement placement;
    placement.shard = ShardId(first_shard_id + i);
    placement.collection = config.name;
    placement.min_in_sync = config.sharding.min_in_sync;
    for (const auto& node : candidates.named(spread.nodes(i))) {
      placement.copies.push_back({copy_id++, node, CopyRole::kInit, metadata.nodes.at(node).uuid});
    }
    placement.primary = placement.copies.front().node;
    placements.push_back(std::move(placement));
  }
  return placements;
}

std::vector<ShardTarget> balanced_placement(const ClusterMetadata& metadata, const CollectionRecord& collection) {
  std::vector<NodeId> nodes;
  std::vector<bool> open;
  for (const auto& [id, node] : metadata.nodes) {
    if (node.status != NodeStatus::kActive && node.status != NodeStatus::kUnhealthy) continue;
    nodes.push_back(id);
    open.push_back(node.status == NodeStatus::kActive);
  }
  std::vector<ShardTarget> targets;
  for (const auto& shard : collection.shards) targets.push_back({shard, {}});
  if (nodes.empty()) return targets;

  const Candidates candidates(std::move(nodes));
  Spread spread(std::move(open));
  for (const auto& target : targets) {
    spread.add(staying(metadata.placements.at(target.shard), candidates.nodes()));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    spread.resize(i, collection.config.sharding.replication_factor, candidates.preference(collection.config.name, i));
  }
  spread.even_copies();
  spread.even_primaries();
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i].nodes = candidates.named(spread.nodes(i));
  return targets;
}

}  // namespace vectorizer::cluster
