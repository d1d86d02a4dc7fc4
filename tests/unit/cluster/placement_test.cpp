#include "vectorizer/cluster/placement.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {
namespace {

NodeId node(std::size_t i) {
  return NodeId(fmt::format("node-{}", i));
}

ClusterMetadata cluster_of(std::size_t nodes) {
  ClusterMetadata metadata;
  for (std::size_t i = 1; i <= nodes; ++i) {
    metadata = *cluster::apply(metadata, UpsertNode{{node(i), "10.0.0.1", 15003, 15002, fmt::format("uuid-{}", i), i}});
  }
  return metadata;
}

ClusterMetadata with_docs(const ClusterMetadata& metadata, std::uint32_t shards, std::uint32_t factor) {
  CollectionConfig config;
  config.name = "docs";
  config.dimension = 4;
  config.sharding.shard_count = shards;
  config.sharding.replication_factor = factor;
  return *cluster::apply(metadata, CreateCollection{config, 0});
}

using Loads = std::map<NodeId, std::size_t>;

struct Balance {
  Loads copies, primaries;
};

Balance balance_of(const std::vector<ShardTarget>& targets, const std::vector<NodeId>& nodes) {
  Balance balance;
  for (const auto& id : nodes) balance.copies[id] = balance.primaries[id] = 0;
  for (const auto& target : targets) {
    ++balance.primaries[target.nodes.front()];
    for (const auto& id : target.nodes) ++balance.copies[id];
  }
  return balance;
}

std::size_t spread_of(const Loads& loads) {
  const auto [least, most] =
      std::minmax_element(loads.begin(), loads.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->second - least->second;
}

std::vector<ShardTarget> now_of(const ClusterMetadata& metadata) {
  std::vector<ShardTarget> targets;
  for (const auto& [shard, placement] : metadata.placements) {
    targets.push_back({shard, placement.replicas()});
    auto& nodes = targets.back().nodes;
    std::iter_swap(nodes.begin(), std::find(nodes.begin(), nodes.end(), placement.primary));
  }
  return targets;
}

/// Copies that are on another node than before.
std::size_t moves(const std::vector<ShardTarget>& before, const std::vector<ShardTarget>& after) {
  std::size_t moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (const auto& id : after[i].nodes) {
      const auto& old = before[i].nodes;
      if (std::find(old.begin(), old.end(), id) == old.end()) ++moved;
    }
  }
  return moved;
}

template <typename Check>
void for_every_size(Check check) {
  for (std::uint32_t nodes = 1; nodes <= 5; ++nodes) {
    for (std::uint32_t factor = 1; factor <= nodes; ++factor) {
      for (const std::uint32_t shards : {1U, 2U, 3U, 4U, 6U, 9U, 13U}) {
        SCOPED_TRACE(fmt::format("{} shards with {} copies on {} nodes", shards, factor, nodes));
        check(nodes, factor, shards);
      }
    }
  }
}

TEST(Placement, CopiesAndPrimariesAreEvenToWithinOne) {
  for_every_size([](std::uint32_t nodes, std::uint32_t factor, std::uint32_t shards) {
    const auto metadata = with_docs(cluster_of(nodes), shards, factor);
    const auto balance = balance_of(now_of(metadata), metadata.active_nodes());

    EXPECT_LE(spread_of(balance.copies), 1U);
    EXPECT_LE(spread_of(balance.primaries), 1U);
  });
}

TEST(Placement, WhatIsEvenStaysAsItIs) {
  for_every_size([](std::uint32_t nodes, std::uint32_t factor, std::uint32_t shards) {
    const auto metadata = with_docs(cluster_of(nodes), shards, factor);

    EXPECT_EQ(balanced_placement(metadata, *metadata.find("docs")), now_of(metadata));
  });
}

TEST(Placement, ANewNodeTakesItsShareAndNothingElseMoves) {
  for_every_size([](std::uint32_t nodes, std::uint32_t factor, std::uint32_t shards) {
    auto metadata = with_docs(cluster_of(nodes), shards, factor);
    const auto before = now_of(metadata);
    metadata = *cluster::apply(metadata, UpsertNode{{node(nodes + 1), "10.0.0.1", 15003, 15002, "new", nodes + 1}});

    const auto after = balanced_placement(metadata, *metadata.find("docs"));

    const auto balance = balance_of(after, metadata.active_nodes());
    EXPECT_LE(spread_of(balance.copies), 1U);
    EXPECT_EQ(moves(before, after), balance.copies.at(node(nodes + 1))) << "something moved between old nodes";
    EXPECT_LE(moves(before, after), (shards * factor + nodes) / (nodes + 1));
  });
}

TEST(Placement, TheCopiesOfALeavingNodeAreSpreadAndAtMostOneOtherMoves) {
  for_every_size([](std::uint32_t nodes, std::uint32_t factor, std::uint32_t shards) {
    if (factor >= nodes) return;
    auto metadata = with_docs(cluster_of(nodes), shards, factor);
    const auto before = now_of(metadata);
    metadata = *cluster::apply(metadata, SetNodeStatus{node(1), 1, NodeStatus::kActive, NodeStatus::kDraining});

    const auto after = balanced_placement(metadata, *metadata.find("docs"));

    for (const auto& target : after) EXPECT_EQ(target.nodes.size(), factor);
    const auto balance = balance_of(after, metadata.active_nodes());
    EXPECT_EQ(balance.copies.count(node(1)), 0U);
    EXPECT_LE(spread_of(balance.copies), 1U);
    const auto displaced = balance_of(before, {}).copies[node(1)];
    EXPECT_GE(moves(before, after), displaced);
    EXPECT_LE(moves(before, after), displaced + 1) << "one more makes room where a copy could not go otherwise";
  });
}

TEST(Placement, AnUnhealthyNodeKeepsWhatItHasAndGetsNothing) {
  auto metadata = with_docs(cluster_of(3), 6, 2);
  metadata = *cluster::apply(metadata, SetNodeStatus{node(1), 1, NodeStatus::kActive, NodeStatus::kUnhealthy});
  const auto before = now_of(metadata);

  EXPECT_EQ(moves(before, balanced_placement(metadata, *metadata.find("docs"))), 0U);

  auto config = metadata.find("docs")->config;
  config.sharding.replication_factor = 3;
  metadata.collections.at("docs").config = config;
  const auto wider = balance_of(balanced_placement(metadata, *metadata.find("docs")), metadata.active_nodes());
  EXPECT_EQ(wider.copies.at(node(1)), 4U);
  EXPECT_EQ(wider.copies.at(node(2)), 6U);
}

TEST(Placement, FewerCopiesLeaveThePrimaryWhereItIs) {
  auto metadata = with_docs(cluster_of(3), 6, 3);
  metadata.collections.at("docs").config.sharding.replication_factor = 1;

  for (const auto& target : balanced_placement(metadata, *metadata.find("docs"))) {
    EXPECT_EQ(target.nodes, std::vector<NodeId>{metadata.placements.at(target.shard).primary});
  }
}

}  // namespace
}  // namespace vectorizer::cluster
