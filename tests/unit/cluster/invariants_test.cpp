#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "vectorizer/cluster/balance.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {
namespace {

constexpr int kHistories = 300;
constexpr int kSteps = 400;
constexpr std::uint32_t kNodes = 4;

/// A cluster that random commands, right and wrong ones, are proposed to; some come late, as from a stale primary.
class RandomCluster {
 public:
  explicit RandomCluster(std::uint64_t seed) : random_(seed) {
    for (std::uint32_t i = 1; i <= kNodes; ++i) upsert(i, i, 0);
    propose(CreateCollection{config("docs", 3), 0});
  }

  void step();
  void check();
  int accepted() const { return accepted_; }
  int plans() const { return plans_; }

 private:
  static NodeId node(std::uint64_t i) { return NodeId(fmt::format("node-{}", i)); }
  static CollectionConfig config(const std::string& name, std::uint32_t shards) {
    CollectionConfig config;
    config.name = name;
    config.dimension = 4;
    config.sharding.shard_count = shards;
    config.sharding.replication_factor = 2;
    return config;
  }

  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  void upsert(std::uint64_t i, std::uint64_t raft_id, std::uint64_t replaces) {
    propose(UpsertNode{{node(i), "10.0.0.1", 15003, 15002, fmt::format("uuid-{}", raft_id), raft_id}, replaces});
  }
  MetadataCommand shard_command();
  MetadataCommand other_command();
  MetadataCommand move_command();
  void propose(const MetadataCommand& command);
  void check_plan();
  void check_step(const ClusterMetadata& next, const MetadataCommand& command) const;
  void check_shard(const ShardPlacement& before, const ShardPlacement& after, const MetadataCommand& command) const;

  std::mt19937_64 random_;
  ClusterMetadata metadata_;
  std::vector<MetadataCommand> late_;
  std::map<std::pair<ShardId, std::uint64_t>, NodeId> leaders_;  // by term
  std::set<std::uint64_t> copy_ids_;
  std::uint64_t next_raft_id_ = 100;
  int accepted_ = 0;
  int plans_ = 0;
};

MetadataCommand RandomCluster::shard_command() {
  auto at = metadata_.placements.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(metadata_.placements.size())));
  const auto& placement = at->second;
  const auto shard = placement.shard;
  const auto term = placement.term - (one_in(20) ? 1 : 0);
  const auto version = placement.isr_version - (one_in(20) && placement.isr_version > 0 ? 1 : 0);
  const auto target = node(1 + below(kNodes));
  const auto copy = placement.copies.empty() || one_in(20) ? below(metadata_.next_copy_id)
                                                           : placement.copies[below(placement.copies.size())].id;
  switch (below(12)) {
    case 0:
      return OpenCopy{shard, term, version, placement.primary};
    case 1:
      return OpenCopy{shard, term, version, target};
    case 2:
      return Promote{shard, term, version, one_in(4) ? NodeId() : target};
    case 3:
      return ShrinkIsr{shard, term, version, copy};
    case 4:
    case 5:
    case 6:
      return GrowIsr{shard, term, version, copy};
    case 7:
      return AllocateCopy{shard, term, version, target};
    case 8:
      return DropCopy{shard, term, version, copy};
    case 9:
      return BumpIsr{shard, term, version};
    case 10:
      return AllocateStale{shard, term, version, target};
    default:
      return AllocateEmpty{shard, term, version, target};
  }
}

MetadataCommand RandomCluster::other_command() {
  const auto id = node(1 + below(kNodes));
  const auto& known = metadata_.nodes.at(id);
  switch (below(6)) {
    case 0: {  // wiped
      const auto raft_id = next_raft_id_++;
      return UpsertNode{{id, "10.0.0.1", 15003, 15002, fmt::format("uuid-{}", raft_id), raft_id}, known.raft_id};
    }
    case 1:
      return RemoveNode{id, known.raft_id, one_in(10)};
    case 2:
      return one_in(20) ? MetadataCommand(DropCollection{"docs"}) : CreateCollection{config("docs", 3), 0};
    default:
      return SetNodeStatus{id, known.raft_id, known.status, static_cast<NodeStatus>(below(5))};
  }
}

MetadataCommand RandomCluster::move_command() {
  const auto id = 1 + below(metadata_.next_migration_id);
  switch (below(4)) {
    case 0:
      return CancelMove{id};
    case 1:
      return EndMove{id, static_cast<MoveState>(below(5)), "", 0};
    default: {
      auto at = metadata_.placements.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(below(metadata_.placements.size())));
      const auto shard = at->first;
      return StartMoves{{{shard, node(1 + below(kNodes)), node(1 + below(kNodes)), one_in(4)}}, MoveCause::kDrain, 0};
    }
  }
}

void RandomCluster::step() {
  if (!late_.empty() && one_in(10)) {
    propose(late_[below(late_.size())]);
    return;
  }
  const bool empty = metadata_.placements.empty();
  const auto command = empty || one_in(5) ? other_command() : one_in(6) ? move_command() : shard_command();
  if (late_.size() < 50) {
    late_.push_back(command);
  } else {
    late_[below(late_.size())] = command;
  }
  propose(command);
}

void RandomCluster::propose(const MetadataCommand& command) {
  auto next = cluster::apply(metadata_, command);
  if (!next) return;
  ++accepted_;
  check_step(*next, command);
  for (const auto& [shard, placement] : next->placements) {
    const auto [leader, fresh] = leaders_.try_emplace({shard, placement.term}, placement.primary);
    ASSERT_EQ(leader->second, placement.primary) << "two primaries in term " << placement.term;
    for (const auto& copy : placement.copies) copy_ids_.insert(copy.id);
  }
  metadata_ = std::move(*next);
}

void RandomCluster::check_step(const ClusterMetadata& next, const MetadataCommand& command) const {
  ASSERT_EQ(next.epoch, metadata_.epoch + 1);
  for (const auto& [shard, after] : next.placements) {
    const auto before = metadata_.placements.find(shard);
    if (before == metadata_.placements.end()) {
      ASSERT_GE(shard.value(), metadata_.next_shard_id) << "a shard id was given out twice";
      continue;
    }
    check_shard(before->second, after, command);
  }
}

void RandomCluster::check_shard(const ShardPlacement& before, const ShardPlacement& after,
                                const MetadataCommand& command) const {
  const bool loss_accepted =
      std::holds_alternative<AllocateStale>(command) || std::holds_alternative<AllocateEmpty>(command);
  ASSERT_GE(after.term, before.term);
  ASSERT_GE(after.isr_version, before.isr_version);
  if (after == before) return;
  ASSERT_EQ(after.isr_version, before.isr_version + 1) << command_name(command);
  if (after.primary != before.primary) {
    ASSERT_EQ(after.term, before.term + 1);
  }
  if (before.in_sync_count() > 0 && !loss_accepted) {
    ASSERT_GT(after.in_sync_count(), 0U) << command_name(command);
  }
  if (after.term > before.term && !after.primary.value().empty() && !loss_accepted && before.in_sync_count() > 0) {
    ASSERT_EQ(before.copy_on(after.primary)->role, CopyRole::kInSync) << "a copy that lacks operations leads";
  }
  for (const auto& copy : after.copies) {
    const auto* old = before.copy(copy.id);
    if (old == nullptr) {
      ASSERT_EQ(copy_ids_.count(copy.id), 0U) << "copy id " << copy.id << " was given out twice";
      ASSERT_NE(copy.role, CopyRole::kInSync);
    } else if (copy.role == CopyRole::kInSync && old->role != CopyRole::kInSync && before.open() && !loss_accepted) {
      ASSERT_TRUE(std::holds_alternative<GrowIsr>(command)) << "an empty copy joined an open shard";
    }
  }
}

/// A plan is always one that the rules accept; and nothing is left to plan once it was made, unless nodes are away, or
/// copies are missing or too many, which others see to.
void RandomCluster::check_plan() {
  const auto moves = balancing_moves(metadata_, {});
  if (moves.empty()) return;
  const auto started = cluster::apply(metadata_, StartMoves{moves, MoveCause::kRebalance, 0});
  ASSERT_TRUE(started) << started.error().message;
  const auto after = after_moves(*started);
  const bool whole = std::all_of(after.placements.begin(), after.placements.end(), [](const auto& item) {
    return item.second.copies.size() == 2 && !item.second.primary.value().empty();
  });
  if (!whole || metadata_.active_nodes().size() < kNodes) return;
  ++plans_;
  ASSERT_TRUE(balancing_moves(*started, {}).empty());
}

void RandomCluster::check() {
  std::size_t ended = 0;
  for (const auto& [id, migration] : metadata_.migrations) {
    ASSERT_LT(id, metadata_.next_migration_id);
    ASSERT_NE(migration.move.from, migration.move.to);
    if (migration.ended()) ++ended;
  }
  ASSERT_LE(ended, 50U);
  if (one_in(50)) check_plan();
  for (const auto& [shard, placement] : metadata_.placements) {
    std::set<NodeId> nodes;
    for (const auto& copy : placement.copies) ASSERT_TRUE(nodes.insert(copy.node).second) << "two copies on a node";
    if (placement.primary.value().empty()) continue;
    const auto* primary = placement.primary_copy();
    ASSERT_NE(primary, nullptr) << "the primary has no copy";
    // Before it is open the primary may still have to create its copy; afterwards it is in sync.
    ASSERT_TRUE(primary->role == CopyRole::kInSync || primary->role == CopyRole::kInit);
    for (const auto& copy : placement.copies) {
      if (placement.open()) {
        ASSERT_NE(copy.role, CopyRole::kInit) << "an empty copy of an open shard";
      }
    }
  }
}

TEST(MetadataInvariants, HoldAfterEveryCommandOfRandomHistories) {
  const auto first_seed = std::random_device{}();
  int accepted = 0, plans = 0;
  for (std::uint64_t seed = first_seed; seed < std::uint64_t{first_seed} + kHistories; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomCluster cluster(seed);
    for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
      cluster.step();
      cluster.check();
    }
    accepted += cluster.accepted();
    plans += cluster.plans();
    if (::testing::Test::HasFailure()) break;
  }
  std::printf("seeds from %u: %d commands accepted, %d plans\n", first_seed, accepted, plans);
  EXPECT_GT(plans, 0);
  EXPECT_GT(accepted, kHistories * kSteps / 20) << "the histories hardly do anything";
}

}  // namespace
}  // namespace vectorizer::cluster
