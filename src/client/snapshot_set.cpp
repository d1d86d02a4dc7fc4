#include "snapshot_set.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace vectorizer::client {
namespace {

constexpr std::uint64_t kCacheBytes = 16ULL << 20;

}  // namespace

Result<std::unique_ptr<SnapshotSet>> SnapshotSet::open(const std::vector<std::filesystem::path>& directories) {
  std::unique_ptr<SnapshotSet> set(new SnapshotSet);
  for (const auto& directory : directories) RETURN_IF_ERROR(set->add(directory));
  RETURN_IF_ERROR(set->choose());
  return set;
}

Result<void> SnapshotSet::add(const std::filesystem::path& directory) {
  auto snapshot = std::make_unique<Snapshot>();
  ASSIGN_OR_RETURN(snapshot->manifest, storage::read_manifest(directory));
  ASSIGN_OR_RETURN(const auto problems, storage::check_files(directory, snapshot->manifest, nullptr));
  if (!problems.empty()) {
    return Error{ErrorType::kConflict,
                 fmt::format("the snapshot in '{}' is damaged: {}", directory.string(), fmt::join(problems, "; "))};
  }
  for (const auto& other : snapshots_) {
    if (other->manifest.cluster_id != snapshot->manifest.cluster_id) {
      return Error{ErrorType::kConflict, fmt::format("'{}' is a snapshot of another cluster", directory.string())};
    }
    if (other->manifest.node == snapshot->manifest.node) {
      return Error{ErrorType::kConflict, fmt::format("'{}' is a second snapshot of node '{}'", directory.string(),
                                                     snapshot->manifest.node.value())};
    }
  }
  storage::DatabaseOptions options;
  options.directory = directory / "db";
  options.block_cache_bytes = kCacheBytes;
  options.read_only = true;
  ASSIGN_OR_RETURN(snapshot->database, storage::open_database(options, snapshot->metrics));
  snapshots_.push_back(std::move(snapshot));
  return {};
}

Result<void> SnapshotSet::choose() {
  const auto knows_most = std::max_element(snapshots_.begin(), snapshots_.end(), [](const auto& a, const auto& b) {
    return a->manifest.metadata_epoch < b->manifest.metadata_epoch;
  });
  if (knows_most == snapshots_.end()) return Error{ErrorType::kValidation, "no snapshot is given"};
  ASSIGN_OR_RETURN(metadata_, cluster::decode_metadata((*knows_most)->manifest.metadata));
  for (const auto& snapshot : snapshots_) {
    for (const auto& copy : snapshot->manifest.copies) {
      auto& source = sources_[copy.shard];
      if (source.database != nullptr && source.copy.applied >= copy.applied) continue;
      source = {snapshot->database.get(), copy};
    }
  }
  return {};
}

Result<void> SnapshotSet::check_complete(const cluster::CollectionRecord& collection) const {
  for (const auto& shard : collection.shards) {
    if (sources_.count(shard) != 0) continue;
    const auto placement = metadata_.placements.find(shard);
    // One that was never open holds nothing.
    if (placement != metadata_.placements.end() && placement->second.in_sync_count() == 0) continue;
    return Error{ErrorType::kNotFound,
                 fmt::format("shard {} of collection '{}' is in none of the snapshots: give those of all nodes",
                             shard.value(), collection.config.name)};
  }
  return {};
}

Result<void> SnapshotSet::read(const ShardId& shard,
                               const std::function<Result<void>(storage::StoredPoint&&)>& visit) const {
  const auto source = sources_.find(shard);
  if (source == sources_.end()) return {};
  return source->second.database->read_checkpoint(
      source->second.copy.number, [](storage::SequenceNumber) { return Result<void>(); }, visit);
}

}  // namespace vectorizer::client
