#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/coordinator/coordinator.hpp"
#include "vectorizer/model/protocol.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator::testing {

/// Metadata that a test sets; nothing is proposed.
class FixedMetadata final : public cluster::MetadataLog {
 public:
  Result<std::shared_ptr<const cluster::ClusterMetadata>> propose(const cluster::MetadataCommand& command) override {
    auto next = cluster::apply(*current_, command);
    if (!next) return next.error();
    return current_ = std::make_shared<const cluster::ClusterMetadata>(*std::move(next));
  }
  std::shared_ptr<const cluster::ClusterMetadata> current() const override { return current_; }
  NodeId leader() const override { return NodeId("node-1"); }
  void observe(Observer) override {}

 private:
  std::shared_ptr<const cluster::ClusterMetadata> current_ = std::make_shared<const cluster::ClusterMetadata>();
};

/// A node whose shards answer what the test says; what it was asked is kept.
class ScriptedPeer final : public peer::Peer {
 public:
  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override {
    if (on_write) on_write();
    std::vector<peer::ShardWriteReply> replies;
    for (const auto& write : writes) {
      if (on_shard_write) on_shard_write(write);
      if (const auto failing = failures.find(write.shard); failing != failures.end()) {
        replies.push_back({write.shard, failing->second});
      } else {
        replies.push_back({write.shard, std::vector(write.ops.size(), WriteOutcome::kApplied), sequences[write.shard]});
      }
    }
    return replies;
  }
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override {
    std::vector<peer::ShardSearchReply> replies;
    for (const auto& shard : shards) {
      if (on_search) on_search(query);
      const std::lock_guard lock(mutex_);
      asked.push_back(shard);
      if (const auto failing = failures.find(shard); failing != failures.end()) {
        replies.push_back({shard, failing->second});
      } else {
        replies.push_back({shard, hits[shard]});
      }
    }
    return replies;
  }
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds> wanted, const Projection& what,
                                                       const ReadFrom& from) override {
    projections.push_back(what);
    note(from);
    std::vector<peer::ShardReply<peer::ShardPoints>> replies;
    for (const auto& [shard, ids] : wanted) {
      peer::ShardPoints points;
      for (const auto& id : ids) points.emplace_back(Point{id, {}, payload});
      replies.push_back(answer(shard, std::move(points)));
    }
    return replies;
  }
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                        const ReadFrom& from) override {
    projections.push_back(query.projection);
    note(from);
    std::vector<peer::ShardReply<peer::ShardPage>> replies;
    for (const auto& shard : shards) replies.push_back(answer(shard, pages[shard]));
    return replies;
  }
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards, const std::optional<Filter>&,
                                                     const ReadFrom& from) override {
    note(from);
    std::vector<peer::ShardReply<std::uint64_t>> replies;
    for (const auto& shard : shards) replies.push_back(answer(shard, std::uint64_t{1}));
    return replies;
  }
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter&, const std::optional<PointId>&,
                                        std::size_t) override {
    return matches[shard];
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId>) override {
    std::vector<peer::ShardReport> reports;
    for (const auto& [shard, sequence] : sequences) {
      auto& report = reports.emplace_back();
      report.shard = shard;
      report.sequence = sequence;
    }
    return reports;
  }

  std::map<ShardId, std::uint64_t> sequences;
  std::map<ShardId, Error> failures;
  std::map<ShardId, std::vector<ScoredPoint>> hits;
  std::map<ShardId, peer::ShardPage> pages;
  std::map<ShardId, std::vector<PointId>> matches;
  std::string payload;
  std::vector<ShardId> asked;
  std::vector<Projection> projections;
  std::function<void(const SearchQuery&)> on_search;
  std::function<void()> on_read;  ///< before each call of get, scroll and count; may change what they answer
  std::function<void()> on_write;
  std::function<void(const peer::ShardWrite&)> on_shard_write;
  std::vector<ReadFrom> reads;  ///< one per call

 private:
  void note(const ReadFrom& from) {
    const std::lock_guard lock(mutex_);
    reads.push_back(from);
    if (on_read) on_read();
  }
  template <typename Answer>
  peer::ShardReply<Answer> answer(const ShardId& shard, Answer found) {
    const std::lock_guard lock(mutex_);
    asked.push_back(shard);
    if (const auto failing = failures.find(shard); failing != failures.end()) return {shard, failing->second};
    return {shard, std::move(found)};
  }

  std::mutex mutex_;  // a lane may ask two nodes, and one of them twice
};

/// Nodes node-1.. with a collection `docs` of dimension 2, whose shards 0.. they lead in turn.
class ClusterTest : public ::testing::Test {
 protected:
  class Directory final : public peer::PeerDirectory {
   public:
    peer::Peer* find(const NodeId& node) override {
      const auto found = nodes.find(node);
      return found == nodes.end() ? nullptr : &found->second;
    }
    std::map<NodeId, ScriptedPeer> nodes;
  };

  void create(std::uint32_t nodes, std::uint32_t shards) {
    create_nodes(nodes);
    create_collection(shards);
  }
  /// One node alone, or the members of a cluster.
  void create_nodes(std::uint32_t nodes) {
    if (nodes > 1) {
      ASSERT_TRUE(metadata.propose(cluster::InitCluster{"c1", 2}));
    }
    for (std::uint32_t i = 1; i <= nodes; ++i) {
      cluster::NodeRecord node{NodeId("node-" + std::to_string(i)), "127.0.0.1", 15003, 15002};
      if (nodes > 1) {
        node.uuid = "uuid-" + std::to_string(i);
        node.raft_id = i;
        node.protocol = known_protocol();
      }
      ASSERT_TRUE(metadata.propose(cluster::UpsertNode{node}));
      peers.nodes[node.id];
    }
    ASSERT_TRUE(metadata.propose(cluster::RaiseProtocol{protocol}));
  }
  void create_collection(std::uint32_t shards) {
    CollectionConfig config;
    config.name = "docs";
    config.dimension = 2;
    config.sharding.shard_count = shards;
    ASSERT_TRUE(metadata.propose(cluster::CreateCollection{config, 0}));
  }
  /// The peer that leads a shard.
  ScriptedPeer& primary(ShardId shard) { return peers.nodes.at(metadata.current()->placements.at(shard).primary); }
  const std::vector<ShardId>& shards() { return metadata.current()->find("docs")->shards; }

  SearchQuery query() const {
    SearchQuery query;
    query.vector = {1, 0};
    return query;
  }

  std::uint32_t protocol = known_protocol();  // of a cluster
  FixedMetadata metadata;
  Directory peers;
  MetricsRegistry registry;
  std::unique_ptr<DataPlane> data = make_data_plane({NodeId("node-1")}, metadata, peers, registry);
};

}  // namespace vectorizer::coordinator::testing
