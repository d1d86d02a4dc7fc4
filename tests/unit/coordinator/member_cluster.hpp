#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
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
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator::testing {

/// Metadata of a cluster in one process. What `behind` has is what this node sees until it catches up.
class MemberMetadata final : public cluster::MetadataLog {
 public:
  using Value = std::shared_ptr<const cluster::ClusterMetadata>;

  Result<Value> propose(const cluster::MetadataCommand& command) override {
    const std::lock_guard lock(mutex_);
    auto next = cluster::apply(*decided_, command);
    if (!next) return next.error();
    return seen_ = decided_ = std::make_shared<const cluster::ClusterMetadata>(*std::move(next));
  }
  /// Decided, and not heard of by this node.
  void decide_elsewhere(const cluster::MetadataCommand& command) {
    const std::lock_guard lock(mutex_);
    auto next = cluster::apply(*decided_, command);
    ASSERT_TRUE(next) << next.error().message;
    decided_ = std::make_shared<const cluster::ClusterMetadata>(*std::move(next));
  }
  Value current() const override {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  Result<void> catch_up() override {
    if (lead.value().empty()) return Error{ErrorType::kNoLeader, "no leader"};
    const std::lock_guard lock(mutex_);
    seen_ = decided_;
    return {};
  }
  NodeId leader() const override { return lead; }
  void observe(Observer) override {}

  NodeId lead{"node-1"};

 private:
  mutable std::mutex mutex_;
  Value decided_ = std::make_shared<const cluster::ClusterMetadata>();  // guarded by mutex_
  Value seen_ = decided_;                                               // likewise
};

/// A node that reports its copies; it hangs while the test wants it to.
class ReportingPeer final : public peer::Peer {
 public:
  ~ReportingPeer() override { hang(false); }

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite>) override { return {}; }
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId>, const SearchQuery&) override { return {}; }
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds>, const Projection&,
                                                       const ReadFrom&) override {
    return {};
  }
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId>, const ScrollQuery&,
                                                        const ReadFrom&) override {
    return {};
  }
  Result<std::vector<PointId>> matching(const ShardId&, const Filter&, const std::optional<PointId>&,
                                        std::size_t) override {
    return std::vector<PointId>{};
  }
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards, const std::optional<Filter>&,
                                                     const ReadFrom&) override {
    std::vector<peer::ShardReply<std::uint64_t>> replies;
    for (const auto& shard : shards) {
      if (refuse_counts > 0) {
        --refuse_counts;
        replies.push_back({shard, Error{ErrorType::kShardUnavailable, "not open yet"}.with("shard_id", shard.value())});
      } else {
        replies.push_back({shard, std::uint64_t{0}});
      }
    }
    return replies;
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override {
    ++reports;
    wait();
    std::vector<peer::ShardReport> answer;
    const std::lock_guard lock(mutex_);
    for (const auto& [shard, stats] : stats_) {
      const bool wanted = shards.empty() || std::find(shards.begin(), shards.end(), shard) != shards.end();
      if (!wanted) continue;
      answer.push_back({stats, shard, receiving.first, receiving.second});
      answer.back().vector_bytes = vector_bytes;
    }
    return answer;
  }
  Result<peer::ShardDigest> digest(const ShardId&) override {
    wait();
    return on_digest();
  }

  Result<std::vector<peer::SnapshotInfo>> snapshot(const peer::SnapshotOrder& order) override {
    wait();
    return on_snapshot(order);
  }

  void hold(const ShardId& shard, std::uint64_t vectors, std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    stats_[shard].vectors = stats_[shard].indexed = vectors;
    stats_[shard].sequence = sequence;
  }
  void hang(bool hangs) {
    const std::lock_guard lock(mutex_);
    hangs_ = hangs;
    changed_.notify_all();
  }

  std::atomic<int> reports = 0, refuse_counts = 0;
  std::function<Result<peer::ShardDigest>()> on_digest;
  std::pair<std::uint64_t, double> receiving{0, 0};  ///< bytes of a checkpoint, seconds
  std::uint64_t vector_bytes = 0;
  std::function<Result<std::vector<peer::SnapshotInfo>>(const peer::SnapshotOrder&)> on_snapshot;

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !hangs_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<ShardId, ShardStats> stats_;  // guarded by mutex_
  bool hangs_ = false;                   // likewise
};

/// node-1 (this one) to node-n of a formed cluster, all active.
class MemberClusterTest : public ::testing::Test {
 protected:
  class Directory final : public peer::PeerDirectory {
   public:
    peer::Peer* find(const NodeId& node) override {
      const auto found = nodes.find(node);
      return found == nodes.end() ? nullptr : &found->second;
    }
    std::map<NodeId, ReportingPeer> nodes;
  };

  static NodeId node(int number) { return NodeId("node-" + std::to_string(number)); }
  cluster::NodeRecord record(int number) const {
    cluster::NodeRecord record;
    record.id = node(number);
    record.address = "10.0.0." + std::to_string(number);
    record.grpc_port = 15003;
    record.rest_port = 15002;
    record.uuid = std::string(32, static_cast<char>('0' + number));
    record.raft_id = static_cast<std::uint64_t>(number);
    record.version = "1.2.3";
    return record;
  }
  void start(int nodes) {
    propose(cluster::InitCluster{"cluster-a", static_cast<std::uint32_t>(nodes)});
    for (int number = 1; number <= nodes; ++number) {
      propose(cluster::UpsertNode{record(number), 0});
      peers.nodes[node(number)];
    }
    propose(cluster::Formed{});
  }
  void propose(const cluster::MetadataCommand& command) {
    const auto decided = metadata.propose(command);
    ASSERT_TRUE(decided) << decided.error().message;
  }
  /// A collection `docs` whose copies are all in sync.
  void create(std::uint32_t shards, std::uint32_t factor) {
    CollectionConfig config;
    config.name = "docs";
    config.dimension = 2;
    config.sharding.shard_count = shards;
    config.sharding.replication_factor = factor;
    propose(cluster::CreateCollection{config, 1});
    open_all();
  }
  void open_all() {
    const auto all = metadata.current();
    for (const auto& [shard, placement] : all->placements) {
      const auto at = [&] { return metadata.current()->placements.at(shard); };
      if (!at().open()) propose(cluster::OpenCopy{shard, at().term, at().isr_version, at().primary});
      const auto opened = at();
      for (const auto& copy : opened.copies) {
        if (copy.role == cluster::CopyRole::kInSync) continue;
        propose(cluster::GrowIsr{shard, at().term, at().isr_version, copy.id});
      }
    }
  }
  void set_unhealthy(int number) {
    propose(cluster::SetNodeStatus{node(number), static_cast<std::uint64_t>(number), cluster::NodeStatus::kActive,
                                   cluster::NodeStatus::kUnhealthy});
  }
  const cluster::ShardPlacement& placement(std::uint64_t shard) {
    held_.push_back(metadata.current());
    return held_.back()->placements.at(ShardId(shard));
  }
  ReportingPeer& peer(const NodeId& id) { return peers.nodes.at(id); }
  /// Every copy of every shard holds `vectors`.
  void fill(std::uint64_t vectors) {
    const auto all = metadata.current();
    for (const auto& [shard, of] : all->placements) {
      for (const auto& copy : of.copies) peer(copy.node).hold(shard, vectors, vectors);
    }
  }

  MemberMetadata metadata;
  Directory peers;

 private:
  std::vector<MemberMetadata::Value> held_;
};

}  // namespace vectorizer::coordinator::testing
