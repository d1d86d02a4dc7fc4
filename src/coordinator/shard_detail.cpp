#include "shard_detail.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "shard_reports.hpp"

namespace vectorizer::coordinator {
namespace {

using Clock = std::chrono::steady_clock;
using Digests = std::map<NodeId, Result<peer::ShardDigest>>;

/// For reading the copies whole; beyond it they have no digest in the answer.
constexpr std::chrono::milliseconds kDigestWait{5000};
/// How long copies may take to get to the same sequence, once no write is in progress: a follower hears of a commit
/// within a fraction of a second.
constexpr std::chrono::milliseconds kSettleWait{2000};
constexpr std::chrono::milliseconds kAskAgain{150};

Digests ask(peer::PeerDirectory& peers, NodeCalls& calls, const std::vector<NodeId>& nodes, const ShardId& shard) {
  return calls.ask<peer::ShardDigest>(nodes, kDigestWait,
                                      [&peers, shard](const NodeId& node) -> Result<peer::ShardDigest> {
                                        auto* peer = peers.find(node);
                                        if (peer != nullptr) return peer->digest(shard);
                                        return no_client(node);
                                      });
}

/// Equal contents are equal at any sequence: an entry without changes leaves no trace in the points, and a copy that
/// came as a checkpoint may begin after one.
bool same(const peer::ShardDigest& one, const peer::ShardDigest& other) {
  return one.points == other.points && one.high == other.high && one.low == other.low;
}

bool comparable(const Digests& digests) {
  const peer::ShardDigest* first = nullptr;
  for (const auto& [node, digest] : digests) {
    if (!digest) continue;
    if (first != nullptr && first->sequence != digest->sequence && !same(*first, *digest)) return false;
    first = &*digest;
  }
  return true;
}

/// Nothing unless every copy in sync has a digest, and those that differ are of the same sequence.
std::optional<bool> equal(const std::vector<CopyView>& copies) {
  const CopyView* first = nullptr;
  for (const auto& copy : copies) {
    if (copy.role != "in_sync") continue;
    if (copy.digest.empty()) return std::nullopt;
    if (first == nullptr) first = &copy;
    if (copy.digest == first->digest) continue;
    if (copy.digest_sequence != first->digest_sequence) return std::nullopt;
    return false;
  }
  if (first == nullptr) return std::nullopt;
  return true;
}

Digests digests_of(const cluster::ClusterMetadata& metadata, const cluster::ShardPlacement& placement,
                   peer::PeerDirectory& peers, NodeCalls& calls) {
  std::vector<NodeId> nodes;
  for (const auto& copy : placement.copies) {
    if (metadata.live(copy)) nodes.push_back(copy.node);
  }
  const auto until = Clock::now() + kSettleWait;
  auto digests = ask(peers, calls, nodes, placement.shard);
  while (!comparable(digests) && Clock::now() + kAskAgain < until) {
    std::this_thread::sleep_for(kAskAgain);
    digests = ask(peers, calls, nodes, placement.shard);
  }
  return digests;
}

void add_digests(const Digests& digests, ShardDetail& detail) {
  for (auto& copy : detail.copies) {
    const auto found = digests.find(copy.node);
    if (found == digests.end()) {
      copy.digest_problem = fmt::format("node '{}' is away", copy.node.value());
    } else if (!found->second) {
      copy.digest_problem = found->second.error().message;
    } else {
      copy.digest = fmt::format("{:016x}{:016x}", found->second->high, found->second->low);
      copy.digest_sequence = found->second->sequence;
    }
  }
  detail.copies_equal = equal(detail.copies);
}

}  // namespace

Result<ShardDetail> shard_detail(const cluster::ClusterMetadata& metadata, peer::PeerDirectory& peers, NodeCalls& calls,
                                 const ShardId& shard, bool with_digests) {
  const auto found = metadata.placements.find(shard);
  if (found == metadata.placements.end()) {
    return Error{ErrorType::kNotFound, fmt::format("shard {} does not exist", shard.value())}.with("shard_id",
                                                                                                   shard.value());
  }
  const auto& placement = found->second;
  // The digests first: until they have been made the copies may get on.
  const auto digests = with_digests ? digests_of(metadata, placement, peers, calls) : Digests();
  const auto reports = ShardReports::read(metadata, peers, calls, {&shard, 1});
  ShardDetail detail;
  static_cast<ShardView&>(detail) = shard_view(placement, reports);
  for (const auto& record : placement.copies) {
    CopyView copy;
    copy.node = record.node;
    copy.primary = record.node == placement.primary;
    copy.role = cluster::copy_role_name(record.role);
    if (const auto* report = reports.of(record.node, shard)) {
      static_cast<ShardStats&>(copy) = *report;
      copy.answered = true;
    }
    detail.copies.push_back(std::move(copy));
  }
  if (with_digests) add_digests(digests, detail);
  return detail;
}

}  // namespace vectorizer::coordinator
