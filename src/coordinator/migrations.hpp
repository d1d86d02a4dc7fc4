#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "shard_reports.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"

namespace vectorizer::coordinator {

/// Shards of moves that run: those of whose copies a progress can be told.
std::vector<ShardId> moving_shards(const cluster::ClusterMetadata& metadata);

/// The moves that run, in the order of their ids; copies that have to leave a node and cannot, with the reason; the
/// moves that ended, the last one first.
std::vector<Migration> all_migrations(const cluster::ClusterMetadata& metadata, const ShardReports& reports);

/// Bytes of one copy of each shard.
std::map<ShardId, std::uint64_t> sizes_of(const cluster::ClusterMetadata& metadata, const ShardReports& reports);

/// Plans what makes the shards even, and starts it unless `dry_run`.
Result<std::vector<Migration>> start_rebalance(cluster::MetadataLog& log, std::map<ShardId, std::uint64_t> sizes,
                                               bool force, bool dry_run);

/// As they are shown before they begin.
std::vector<Migration> planned(const cluster::ClusterMetadata& metadata, const std::vector<cluster::PlannedMove>& moves,
                               cluster::MoveCause cause);

}  // namespace vectorizer::coordinator
