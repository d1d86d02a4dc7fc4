#include "copy_opener.hpp"

#include <system_error>
#include <utility>

namespace vectorizer::node {

using replication::GroupPorts;
using replication::ProposalResult;

std::filesystem::path CopyOpener::directory_of(storage::CopyNumber number) const {
  return options_.data_dir / "index" / std::to_string(number);
}

Result<std::shared_ptr<const HostedCopy>> CopyOpener::open(const CollectionConfig& collection,
                                                           const cluster::ShardPlacement& placement,
                                                           const cluster::CopyRecord& copy,
                                                           storage::CopyNumber number) const {
  auto hosted = std::make_shared<HostedCopy>();
  hosted->id = copy.id;
  hosted->number = number;
  std::unique_ptr<storage::ShardStore> store;
  if (heartbeat_ != nullptr) {
    ASSIGN_OR_RETURN(auto log, database_.open_log(number));
    ASSIGN_OR_RETURN(hosted->group, replication::ReplicaGroup::open({placement.shard, copy.id, options_.self},
                                                                    std::move(log), database_.open_logged_store(number),
                                                                    placement, options_.replication->options,
                                                                    ports_of(placement.shard, copy.id, number)));
    store = hosted->group->store();
  } else {
    store = database_.open_store(number);
  }
  shard::ShardOptions options;
  options.id = placement.shard;
  options.collection = collection;
  options.directory = directory_of(number);
  options.graph_threshold = options_.graph_threshold;
  options.tail_limit = options_.tail_limit;
  options.compaction_threshold = options_.compaction_threshold;
  const auto index_file = options.directory / shard::kSavedIndexFile;
  ASSIGN_OR_RETURN(hosted->shard, shard::open_shard(std::move(options), std::move(store), metrics_));
  if (hosted->group) {
    hosted->group->attach(
        [shard = hosted->shard.get()](std::span<const storage::StoredWrite> writes) { return shard->apply(writes); },
        [index_file]() -> std::optional<std::string> {
          std::error_code ignored;
          if (!std::filesystem::exists(index_file, ignored)) return std::nullopt;
          return index_file.string();
        });
    hosted->group->reconcile(placement);
    heartbeat_->add(hosted->group);
  }
  return std::shared_ptr<const HostedCopy>(std::move(hosted));
}

void CopyOpener::close(const HostedCopy& hosted) const {
  if (!hosted.group) return;
  heartbeat_->remove(hosted.group);
  hosted.group->stop();
}

GroupPorts CopyOpener::ports_of(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number) const {
  GroupPorts ports;
  ports.directory = options_.replication->peers;
  ports.lease_valid = options_.replication->lease_valid;
  ports.node_dead = [this](const NodeId& node) {
    const auto metadata = metadata_.current();
    const auto found = metadata->nodes.find(node);
    return found != metadata->nodes.end() && found->second.status == cluster::NodeStatus::kUnhealthy;
  };
  ports.storage_full = [this] { return database_.storage_full(); };
  ports.fetch_checkpoint = [this, shard, copy](const NodeId& primary, std::uint64_t term) {
    fetch_(shard, copy, primary, term);
  };
  ports.read_points = [this, number](const auto& begin, const auto& visit, const auto& visit_result) {
    return database_.read_checkpoint(number, begin, visit, visit_result);
  };
  heartbeat_->provide(ports,
                      [this, shard](const cluster::MetadataCommand& command) { return propose(shard, command); });
  return ports;
}

ProposalResult CopyOpener::propose(const ShardId& shard, const cluster::MetadataCommand& command) const {
  const auto placement = [&](const cluster::ClusterMetadata& metadata) -> std::optional<cluster::ShardPlacement> {
    const auto found = metadata.placements.find(shard);
    if (found == metadata.placements.end()) return std::nullopt;
    return found->second;
  };
  const auto decided = metadata_.propose(command);
  if (decided) return {ProposalResult::Outcome::kCommitted, placement(**decided)};
  const auto type = decided.error().type;
  if (type != ErrorType::kConflict && type != ErrorType::kNotFound) return {};
  // Refused: somebody else changed the shard. What it is now counts, and this node may not have heard of it yet.
  if (!metadata_.catch_up()) return {ProposalResult::Outcome::kRefused, std::nullopt};
  return {ProposalResult::Outcome::kRefused, placement(*metadata_.current())};
}

}  // namespace vectorizer::node
