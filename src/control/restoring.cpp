#include "vectorizer/control/restoring.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "node_record.hpp"
#include "vectorizer/base/durable_file.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/storage/snapshot.hpp"

namespace vectorizer::control {
namespace {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;
using cluster::ShardPlacement;
using nlohmann::json;
using peer::IdentityState;

Error damaged_marker(const std::filesystem::path& path) {
  return Error{ErrorType::kConflict,
               fmt::format("'{}' is damaged: restore the data directory again from its backup", path.string())};
}

/// First of all the metadata goes where nothing deletes it.
Result<void> keep_metadata(json& marker, const std::filesystem::path& data_dir, const Identity& identity) {
  consensus::RaftOptions raft;
  raft.raft_id = identity.raft_id;
  raft.directory = data_dir / "raft";
  ASSIGN_OR_RETURN(const auto stored, consensus::read_stored_metadata(raft));
  marker["from_cluster"] = identity.cluster_id;
  marker["raft_term"] = stored.term;
  marker["raft_index"] = stored.index;
  marker["metadata"] = cluster::encode_metadata(stored.metadata);
  return replace_file(data_dir / storage::kRestoreMarker, marker.dump() + "\n");
}

Result<void> leave_cluster(json& marker, const std::filesystem::path& data_dir, const Identity& identity) {
  std::error_code problem;
  std::filesystem::remove_all(data_dir / "raft", problem);
  if (!problem) std::filesystem::remove(data_dir / "peers", problem);  // what it remembers of others there
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot remove the Raft log: {}", problem.message())};
  }
  RETURN_IF_ERROR(renew_identity(data_dir, identity));
  marker["left"] = true;
  return replace_file(data_dir / storage::kRestoreMarker, marker.dump() + "\n");
}

Result<RestoredNode> restored_node(const json& marker, const std::filesystem::path& path) {
  RestoredNode node;
  try {
    node.data.from_cluster = marker.at("from_cluster").get<std::string>();
    node.data.raft_term = marker.at("raft_term").get<std::uint64_t>();
    node.data.raft_index = marker.at("raft_index").get<std::uint64_t>();
    ASSIGN_OR_RETURN(node.metadata, cluster::decode_metadata(marker.at("metadata").get<std::string>()));
  } catch (const json::exception&) {
    return damaged_marker(path);
  }
  node.data.metadata_epoch = node.metadata.epoch;
  return node;
}

/// The copies of one shard that are here, those that hold most first.
struct FoundCopy {
  CopyRecord record;
  peer::CopyStatus status;
};
using FoundCopies = std::map<ShardId, std::vector<FoundCopy>>;

FoundCopies copies_here(const std::vector<peer::Hello>& nodes) {
  FoundCopies found;
  for (const auto& node : nodes) {
    if (!node.restored) continue;
    for (const auto& status : node.restored->copies) {
      if (status.failed) continue;
      found[status.shard].push_back({{status.copy, node.node, CopyRole::kRecovering, node.uuid}, status});
    }
  }
  for (auto& [shard, copies] : found) {
    std::sort(copies.begin(), copies.end(), [](const FoundCopy& a, const FoundCopy& b) {
      return std::tuple(b.status.last.term, b.status.last.sequence, a.record.id) <
             std::tuple(a.status.last.term, a.status.last.sequence, b.record.id);
    });
  }
  return found;
}

/// The shard with the copies of `found`, which is not empty.
void place(ShardPlacement& shard, const std::vector<FoundCopy>& found, std::size_t factor) {
  const bool complete = std::any_of(found.begin(), found.end(), [&](const FoundCopy& copy) {
    const auto* known = shard.copy(copy.record.id);
    return known != nullptr && known->role == CopyRole::kInSync;
  });
  if (!complete && shard.in_sync_count() > 0) {
    spdlog::warn(
        "shard {} of collection '{}': no copy that was in sync is among the restored ones; the furthest, on node '{}', "
        "may lack what was acknowledged last",
        shard.shard.value(), shard.collection, found.front().record.node.value());
  }
  shard.copies.clear();
  for (const auto& copy : found) {
    shard.term = std::max(shard.term, copy.status.term);
    if (shard.copies.size() < std::max<std::size_t>(1, factor)) shard.copies.push_back(copy.record);
  }
  shard.copies.front().role = CopyRole::kInSync;
  shard.primary = shard.copies.front().node;
}

/// Where copies were going is of the former cluster.
void end_moves(ClusterMetadata& metadata) {
  for (auto& [id, migration] : metadata.migrations) {
    if (migration.ended()) continue;
    migration.state = cluster::MoveState::kFailed;
    migration.ended_at_ms = std::max<std::int64_t>(1, migration.started_at_ms);
    migration.note = "the cluster was restored from backups";
  }
}

/// Nobody holds it. One that was never open is empty, and begins on the founder; else an operator decides.
void place_nowhere(ClusterMetadata& metadata, ShardPlacement& shard, const peer::Hello& founder) {
  if (shard.in_sync_count() == 0) {
    shard.copies = {{metadata.next_copy_id++, founder.node, CopyRole::kInit, founder.uuid}};
    shard.primary = founder.node;
    return;
  }
  spdlog::error("shard {} of collection '{}': none of the restored nodes holds it", shard.shard.value(),
                shard.collection);
  shard.primary = NodeId();
}

}  // namespace

Result<std::optional<RestoredNode>> begin_restore(const std::filesystem::path& data_dir, const NodeId& node) {
  const auto path = data_dir / storage::kRestoreMarker;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<RestoredNode>();
  ASSIGN_OR_RETURN(auto marker, storage::read_restore_marker(data_dir));
  ASSIGN_OR_RETURN(const auto identity, read_identity(data_dir));
  const bool fresh = !marker.contains("metadata");
  if (fresh && (!identity || !std::filesystem::exists(data_dir / "raft" / "store", ignored))) {
    if (identity) RETURN_IF_ERROR(renew_identity(data_dir, *identity));
    RETURN_IF_ERROR(storage::remove_restore_marker(data_dir));
    return std::optional<RestoredNode>();
  }
  if (!identity) return damaged_marker(path);
  if (fresh && identity->node != node) {
    return Error{ErrorType::kConflict,
                 fmt::format("this is a backup of node '{}'; this node is '{}'. Restore each node from its own backup, "
                             "or set cluster.node_id",
                             identity->node.value(), node.value())};
  }
  if (fresh) RETURN_IF_ERROR(keep_metadata(marker, data_dir, *identity));
  if (marker.value("left", json(false)) != true) {
    RETURN_IF_ERROR(leave_cluster(marker, data_dir, *identity));
  } else if (identity->state != IdentityState::kVirgin && identity->state != IdentityState::kClaimed) {
    RETURN_IF_ERROR(storage::remove_restore_marker(data_dir));
    return std::optional<RestoredNode>();
  }
  ASSIGN_OR_RETURN(auto restored, restored_node(marker, path));
  spdlog::warn("restored from a backup of cluster {}: forms a new cluster with the other restored nodes",
               restored.data.from_cluster);
  return std::optional(std::move(restored));
}

Result<ClusterMetadata> restored_metadata(ClusterMetadata metadata, const std::string& cluster_id,
                                          std::uint32_t expected, const peer::Hello& founder,
                                          const std::vector<peer::Hello>& nodes) {
  metadata.cluster_id.clear();
  metadata.expected_nodes = 0;
  metadata.formed = false;
  metadata.nodes.clear();
  end_moves(metadata);
  for (const auto& node : nodes) {
    if (!node.restored) continue;  // it joins as the newcomer that it is
    ASSIGN_OR_RETURN(auto record, record_of(node));
    if (node.uuid == founder.uuid) record.status = cluster::NodeStatus::kActive;
    metadata.nodes.emplace(record.id, std::move(record));
    // Copies remember the epoch that gave them their place; what is older says nothing of them.
    metadata.epoch = std::max(metadata.epoch, node.restored->metadata_epoch);
    for (const auto& copy : node.restored->copies) {
      metadata.next_copy_id = std::max(metadata.next_copy_id, copy.copy + 1);
    }
  }
  auto found = copies_here(nodes);
  for (auto& [id, shard] : metadata.placements) {
    const auto* collection = metadata.find(shard.collection);
    if (const auto copies = found.find(id); copies != found.end() && collection != nullptr) {
      place(shard, copies->second, collection->config.sharding.replication_factor);
    } else {
      place_nowhere(metadata, shard, founder);
    }
    ++shard.term;
    ++shard.isr_version;
  }
  return cluster::apply(metadata, cluster::InitCluster{cluster_id, expected});
}

}  // namespace vectorizer::control
