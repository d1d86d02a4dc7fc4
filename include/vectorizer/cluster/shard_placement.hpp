#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::cluster {

///   kInit       of a shard that has never been open: its node creates it empty and proposes OpenCopy. No other role
///               allows a node to take an absent copy for an empty one.
///   kRecovering allocated beside an open shard: its node fills it from the primary, from nothing if need be
///   kInSync     holds every acknowledged operation; if the disk lacks it, it is lost and never created again by itself
///   kStale      was in sync and has left the set (ShrinkIsr): it follows again from what it has
///
///   kInit ─OpenCopy─> kInSync ─ShrinkIsr─> kStale ─GrowIsr─> kInSync;  kRecovering ─GrowIsr─> kInSync
///   kInit ─the primary opens before it─> kRecovering
enum class CopyRole : std::uint8_t { kInit, kRecovering, kInSync, kStale };

std::string_view copy_role_name(CopyRole role);
std::optional<CopyRole> copy_role_from_name(std::string_view name);

/// One copy of a shard on one node. A copy that is made again, or on a wiped node, is another copy.
struct CopyRecord {
  std::uint64_t id = 0;  ///< unique in the cluster, never reused
  NodeId node;
  CopyRole role = CopyRole::kInit;
  std::string node_uuid;  ///< of the node's disk when it was allocated
  friend bool operator==(const CopyRecord&, const CopyRecord&) = default;
};

/// Who holds a shard. Stored, so that moves are explicit: the ring proposes, the metadata disposes.
///
/// Holds always: at most one copy per node; the primary, if there is one, has a copy, which is in sync as soon as any
/// operation was acknowledged; the in-sync set, once it has a member, keeps one until an operator accepts the loss;
/// term and isr_version only grow.
struct ShardPlacement {
  ShardId shard;
  std::string collection;
  std::uint64_t term = 1;         ///< +1 on each promotion; fences a stale primary
  std::uint64_t isr_version = 0;  ///< +1 on each command on this shard: commands name the one that they saw
  NodeId primary;                 ///< empty for none: nobody may take writes
  std::vector<CopyRecord> copies;
  std::uint32_t min_in_sync = 1;  ///< of the collection; not stored here

  /// The nodes of all copies, and of those in sync.
  std::vector<NodeId> replicas() const;
  std::vector<NodeId> in_sync() const;
  std::size_t in_sync_count() const;
  const CopyRecord* copy_on(const NodeId& node) const;
  const CopyRecord* copy(std::uint64_t id) const;
  /// The copy of the primary; null without one.
  const CopyRecord* primary_copy() const { return copy_on(primary); }
  /// The primary is in sync: it may have acknowledged operations.
  bool open() const;

  friend bool operator==(const ShardPlacement&, const ShardPlacement&) = default;
};

}  // namespace vectorizer::cluster
