#include "vectorizer/cluster/balance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "vectorizer/cluster/placement.hpp"

namespace vectorizer::cluster {
namespace {

/// What a copy costs a node beside its bytes. Small shards count alike, so that nodes are not made even to the byte.
constexpr std::uint64_t kLeastWeight = 16ULL << 20;
/// Evening by size may let another copy lead, and that another chain of handovers: a few rounds settle it.
constexpr int kPasses = 4;

/// The placement with copies on `nodes`, the first of which leads.
void place(ShardPlacement& placement, const std::vector<NodeId>& nodes) {
  std::vector<CopyRecord> copies;
  for (const auto& node : nodes) {
    const auto* known = placement.copy_on(node);
    copies.push_back(known != nullptr ? *known : CopyRecord{0, node, CopyRole::kInSync, ""});
  }
  placement.copies = std::move(copies);
  placement.primary = nodes.front();
}

void make_move(ShardPlacement& placement, const PlannedMove& move) {
  if (!move.lead) {
    std::erase_if(placement.copies, [&](const CopyRecord& copy) { return copy.node == move.from; });
    if (placement.copy_on(move.to) == nullptr) placement.copies.push_back({0, move.to, CopyRole::kInSync, ""});
  }
  if (placement.primary == move.from && placement.copy_on(move.to) != nullptr) placement.primary = move.to;
}

/// Loads of the active nodes, and what may change them without making any collection uneven.
class Loads {
 public:
  Loads(ClusterMetadata& metadata, const BalanceOptions& options)
      : metadata_(metadata), options_(options), nodes_(metadata.active_nodes()) {
    for (const auto& node : nodes_) load_[node] = leads_[node] = 0;
    for (const auto& [shard, placement] : metadata.placements) {
      for (const auto& copy : placement.copies) {
        ++copies_[{placement.collection, copy.node}];
        if (const auto load = load_.find(copy.node); load != load_.end()) load->second += weight(shard);
      }
      ++primaries_[{placement.collection, placement.primary}];
      if (const auto leads = leads_.find(placement.primary); leads != leads_.end()) ++leads->second;
    }
  }

  /// Moves one copy from the most to the least loaded node; false when none may.
  bool even_size() {
    if (nodes_.size() < 2) return false;
    const auto [least, most] = std::minmax_element(load_.begin(), load_.end(), by_value);
    const auto difference = most->second - least->second;
    ShardPlacement* chosen = nullptr;
    std::uint64_t best = 0;
    for (auto& [shard, placement] : metadata_.placements) {
      if (!may_move(placement, most->first, least->first, difference)) continue;
      const auto left = distance(difference, 2 * weight(shard));
      if (chosen != nullptr && left >= best) continue;
      chosen = &placement;
      best = left;
    }
    if (chosen == nullptr) return false;
    const auto from = most->first, to = least->first;
    most->second -= weight(chosen->shard);
    least->second += weight(chosen->shard);
    --copies_[{chosen->collection, from}];
    ++copies_[{chosen->collection, to}];
    if (chosen->primary == from) count_handover(*chosen, from, to);
    make_move(*chosen, {chosen->shard, from, to, false});
    return true;
  }

  /// Lets another copy lead one shard of a node that leads two more than the node of that copy; false when none may.
  bool even_leads() {
    for (auto& [shard, placement] : metadata_.placements) {
      const auto from = placement.primary;
      const auto leads = leads_.find(from);
      if (leads == leads_.end()) continue;
      for (const auto& copy : placement.copies) {
        const auto other = leads_.find(copy.node);
        if (other == leads_.end() || other->second + 2 > leads->second) continue;
        if (!leads_more(placement.collection, from, copy.node)) continue;
        const auto to = copy.node;
        count_handover(placement, from, to);
        placement.primary = to;
        return true;
      }
    }
    return false;
  }

 private:
  using Of = std::pair<std::string, NodeId>;  // a collection on a node

  static bool by_value(const std::pair<const NodeId, std::uint64_t>& a,
                       const std::pair<const NodeId, std::uint64_t>& b) {
    return a.second < b.second;
  }
  static std::uint64_t distance(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }
  std::uint64_t weight(const ShardId& shard) const {
    const auto found = options_.bytes.find(shard);
    return std::max(kLeastWeight, found == options_.bytes.end() ? 0 : found->second);
  }
  static std::size_t at(const std::map<Of, std::size_t>& counts, const std::string& collection, const NodeId& node) {
    const auto found = counts.find({collection, node});
    return found == counts.end() ? 0 : found->second;
  }
  bool leads_more(const std::string& collection, const NodeId& one, const NodeId& other) const {
    return at(primaries_, collection, one) > at(primaries_, collection, other);
  }
  void count_handover(const ShardPlacement& placement, const NodeId& from, const NodeId& to) {
    --primaries_[{placement.collection, from}];
    ++primaries_[{placement.collection, to}];
    --leads_[from];
    ++leads_[to];
  }
  bool may_move(const ShardPlacement& placement, const NodeId& from, const NodeId& to, std::uint64_t difference) const {
    if (placement.copy_on(from) == nullptr || placement.copy_on(to) != nullptr) return false;
    const auto& collection = placement.collection;
    if (at(copies_, collection, from) <= at(copies_, collection, to)) return false;
    if (placement.primary == from && !leads_more(collection, from, to)) return false;
    if (weight(placement.shard) >= difference) return false;
    if (options_.force) return true;
    std::uint64_t total = 0;
    for (const auto& [node, load] : load_) total += load;
    const double mean = static_cast<double>(total) / static_cast<double>(load_.size());
    return static_cast<double>(difference) > metadata_.find(collection)->config.sharding.rebalance_threshold * mean;
  }

  ClusterMetadata& metadata_;
  const BalanceOptions& options_;
  const std::vector<NodeId> nodes_;
  std::map<NodeId, std::uint64_t> load_;
  std::map<NodeId, std::size_t> leads_;
  std::map<Of, std::size_t> copies_, primaries_;
};

/// Where everything should be.
ClusterMetadata balanced(ClusterMetadata wish, const BalanceOptions& options) {
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto before = wish.placements;
    for (const auto& [name, collection] : wish.collections) {
      for (const auto& target : balanced_placement(wish, collection)) {
        if (!target.nodes.empty()) place(wish.placements.at(target.shard), target.nodes);
      }
    }
    Loads loads(wish, options);
    // Each step brings two loads nearer to each other; the bound is for what arithmetic may have overlooked.
    for (std::size_t step = 0; step < 4 * wish.placements.size() && loads.even_size(); ++step) {
    }
    for (std::size_t step = 0; step < 4 * wish.placements.size() && loads.even_leads(); ++step) {
    }
    if (wish.placements == before) break;
  }
  return wish;
}

/// The nodes of `these` that are not among `those`.
std::vector<NodeId> without(const std::vector<NodeId>& these, const std::vector<NodeId>& those) {
  std::vector<NodeId> left;
  for (const auto& node : these) {
    if (std::find(those.begin(), those.end(), node) == those.end()) left.push_back(node);
  }
  return left;
}

/// The moves of one shard, in the order in which they are to be made: whoever leads in the end does so after them.
void add_moves(const ShardPlacement& now, const ShardPlacement& wish, std::vector<PlannedMove>& moves) {
  auto leaving = without(now.replicas(), wish.replicas());
  auto coming = without(wish.replicas(), now.replicas());
  leaving.resize(std::min(leaving.size(), coming.size()));
  auto leads = now.primary;
  const bool led = !leads.value().empty();
  const auto hand_over = [&] {
    if (led && leads != wish.primary) moves.push_back({now.shard, leads, wish.primary, true});
    leads = wish.primary;
  };
  const auto arrives = std::find(coming.begin(), coming.end(), wish.primary);
  if (arrives == coming.end()) {
    if (now.copy_on(wish.primary) != nullptr) hand_over();
  } else if (const auto leaves = std::find(leaving.begin(), leaving.end(), leads); leaves != leaving.end()) {
    std::iter_swap(coming.begin() + (leaves - leaving.begin()), arrives);
  } else if (!leaving.empty()) {
    std::iter_swap(coming.begin(), arrives);
  }
  coming.resize(leaving.size());
  for (std::size_t i = 0; i < leaving.size(); ++i) {
    moves.push_back({now.shard, leaving[i], coming[i], false});
    if (leads == leaving[i]) leads = coming[i];
  }
  const bool there =
      now.copy_on(wish.primary) != nullptr || std::find(coming.begin(), coming.end(), wish.primary) != coming.end();
  if (there) hand_over();
}

}  // namespace

ClusterMetadata after_moves(const ClusterMetadata& metadata) {
  auto after = metadata;
  for (const auto& [id, migration] : metadata.migrations) {
    const auto placement = after.placements.find(migration.move.shard);
    if (migration.state != MoveState::kRunning || placement == after.placements.end()) continue;
    make_move(placement->second, migration.move);
  }
  return after;
}

std::vector<PlannedMove> balancing_moves(const ClusterMetadata& metadata, const BalanceOptions& options) {
  const auto now = after_moves(metadata);
  const auto wish = balanced(now, options);
  std::vector<PlannedMove> moves;
  for (const auto& [shard, placement] : now.placements) add_moves(placement, wish.placements.at(shard), moves);
  // A shard whose primary has to go may have no other copy than one on a node that is away: it waits for that.
  std::erase_if(moves, [&](const PlannedMove& move) {
    return move.lead && metadata.nodes.at(move.to).status != NodeStatus::kActive;
  });
  return moves;
}

std::vector<PlannedMove> draining_moves(const ClusterMetadata& metadata, const BalanceOptions& options) {
  auto moves = balancing_moves(metadata, options);
  std::erase_if(moves, [&](const PlannedMove& move) {
    const auto node = metadata.nodes.find(move.from);
    return move.lead || node == metadata.nodes.end() || node->second.status != NodeStatus::kDraining;
  });
  return moves;
}

std::string drain_obstacle(const ClusterMetadata& metadata, const ShardPlacement& shard, const NodeId& node) {
  const auto after = after_moves(metadata).placements.at(shard.shard);
  if (after.copy_on(node) == nullptr) return "";  // it moves already
  const auto active = metadata.active_nodes();
  const bool room =
      std::any_of(active.begin(), active.end(), [&](const NodeId& other) { return after.copy_on(other) == nullptr; });
  if (room) return "";
  return fmt::format(
      "every active node ({}) has a copy already: a node must be added, or the replication_factor of "
      "'{}' made smaller",
      active.size(), shard.collection);
}

}  // namespace vectorizer::cluster
