#include "copy_host.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

namespace vectorizer::node {

using cluster::ClusterMetadata;
using cluster::CopyRecord;
using cluster::CopyRole;
using cluster::ShardPlacement;

CopyHost::CopyHost(const LocalNodeOptions& options, storage::Database& database, cluster::MetadataLog& metadata,
                   replication::Heartbeat* heartbeat, MetricsRegistry& registry)
    : options_(options),
      database_(database),
      metadata_(metadata),
      shard_metrics_(registry),
      opener_(options_, database_, metadata_, shard_metrics_, heartbeat,
              [this](const ShardId& shard, std::uint64_t copy, const NodeId& primary, std::uint64_t term) {
                fetches_.start(shard, [=, this] { fetch_checkpoint(shard, copy, primary, term); });
              }),
      copies_(std::make_shared<const HostedCopies>()),
      shards_(std::make_shared<const Maintenance::Shards>()),
      incoming_(options_.replication ? options_.replication->recovery_bytes_per_second : 0, registry),
      fetches_("checkpoint", kCheckpointsAtOnce) {}

namespace {

bool another_in_sync(const ShardPlacement& placement, const CopyRecord& copy) {
  return std::any_of(placement.copies.begin(), placement.copies.end(),
                     [&](const CopyRecord& other) { return other.id != copy.id && other.role == CopyRole::kInSync; });
}

}  // namespace

bool CopyHost::reconcile(const std::shared_ptr<const ClusterMetadata>& metadata) {
  {
    const std::lock_guard lock(reconcile_mutex_);
    if (metadata->epoch < reconciled_epoch_) return false;
    reconciled_epoch_ = metadata->epoch;
    if (auto loaded = load_registry(); !loaded) return false;
    auto copies = *copies_.get();
    close_unwanted(*metadata, copies);
    open_wanted(*metadata, copies);
    publish(std::move(copies));
    drop_unwanted(*metadata);
  }
  {
    const std::lock_guard lock(followed_mutex_);
    followed_epoch_ = std::max(followed_epoch_, metadata->epoch);
  }
  followed_.notify_all();
  open_shards_led_here(*metadata);
  return true;
}

bool CopyHost::follows(std::uint64_t epoch, std::chrono::milliseconds timeout) {
  std::unique_lock lock(followed_mutex_);
  return followed_.wait_for(lock, timeout, [&] { return followed_epoch_ >= epoch; });
}

Result<void> CopyHost::load_registry() {
  if (registry_) return {};
  auto loaded = CopyRegistry::load(database_);
  const std::lock_guard lock(problems_mutex_);
  if (!loaded) {
    registry_problem_ = fmt::format("cannot read which shards this node holds: {}", loaded.error().message);
    spdlog::error("{}", registry_problem_);
    return loaded.error();
  }
  registry_problem_.clear();
  registry_.emplace(std::move(*loaded));
  remove_leftover_directories();
  return {};
}

/// Of copies that a crash kept from being removed whole.
void CopyHost::remove_leftover_directories() const {
  std::set<std::string> wanted;
  for (const auto& [shard, copy] : registry_->copies()) wanted.insert(std::to_string(copy.number));
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(options_.data_dir / "index", problem)) {
    std::error_code ignored;
    if (!wanted.contains(entry.path().filename().string())) std::filesystem::remove_all(entry.path(), ignored);
  }
}

const CopyRecord* CopyHost::mine(const ShardPlacement& placement) const {
  const auto* copy = placement.copy_on(options_.self);
  const bool other_disk = copy != nullptr && options_.replication && copy->node_uuid != options_.replication->node_uuid;
  return other_disk ? nullptr : copy;
}

bool CopyHost::past(const ClusterMetadata& metadata, const ShardId& shard) const {
  const auto found = registry_->copies().find(shard);
  return found != registry_->copies().end() && metadata.epoch < found->second.epoch;
}

void CopyHost::publish(HostedCopies copies) {
  auto shards = std::make_shared<Maintenance::Shards>();
  for (const auto& [id, hosted] : copies) shards->emplace(id, hosted->shard);
  copies_.set(std::make_shared<const HostedCopies>(std::move(copies)));
  shards_.set(std::move(shards));
}

void CopyHost::note(const ShardId& shard, std::string problem) {
  const std::lock_guard lock(problems_mutex_);
  if (problem.empty()) {
    problems_.erase(shard);
    not_open_.erase(shard);
    return;
  }
  if (problems_[shard] != problem) spdlog::error("{}", problem);
  problems_[shard] = std::move(problem);
}

void CopyHost::close_unwanted(const ClusterMetadata& metadata, HostedCopies& copies) const {
  std::erase_if(copies, [&](const auto& item) {
    if (past(metadata, item.first)) return false;
    const auto placement = metadata.placements.find(item.first);
    const auto* copy = placement == metadata.placements.end() ? nullptr : mine(placement->second);
    if (copy != nullptr && copy->id == item.second->id) return false;
    opener_.close(*item.second);
    return true;
  });
}

void CopyHost::open_wanted(const ClusterMetadata& metadata, HostedCopies& copies) {
  for (const auto& [id, placement] : metadata.placements) {
    const auto* copy = mine(placement);
    if (copy == nullptr || past(metadata, id)) continue;
    if (const auto open = copies.find(id); open != copies.end()) {
      open->second->shard->reconfigure(metadata.find(placement.collection)->config);
      if (open->second->group) open->second->group->reconcile(placement);
      continue;
    }
    auto hosted = open_copy(metadata, placement, *copy);
    if (hosted) {
      copies.emplace(id, std::move(*hosted));
      note(id, "");
      continue;
    }
    note(id, fmt::format("shard {} of collection '{}': {}", id.value(), placement.collection, hosted.error().message));
    const std::lock_guard lock(problems_mutex_);
    auto& status = not_open_[id];
    status.shard = id;
    status.copy = copy->id;
    status.failed = true;
  }
}

Result<std::shared_ptr<const HostedCopy>> CopyHost::open_copy(const ClusterMetadata& metadata,
                                                              const ShardPlacement& placement, const CopyRecord& copy) {
  const auto& config = metadata.find(placement.collection)->config;
  const auto known = registry_->copies().find(placement.shard);
  const bool held = known != registry_->copies().end() && (known->second.id == copy.id || known->second.id == 0);
  if (held && lost_.contains(copy.id)) {
    if (another_in_sync(placement, copy)) {
      return Error{ErrorType::kShardUnavailable, "its data ends before what it had confirmed (lost)"};
    }
    spdlog::error("shard {}: the only copy in sync ends before what it had confirmed: something may be lost",
                  placement.shard.value());
  }
  if (held) return opener_.open(config, placement, copy, known->second.number);
  if (copy.role != CopyRole::kInit && copy.role != CopyRole::kRecovering) {
    return Error{ErrorType::kShardUnavailable, "its data is not in the data directory (lost)"};
  }
  ASSIGN_OR_RETURN(const auto number, registry_->allocate());
  RETURN_IF_ERROR(registry_->record(placement.shard, {number, copy.id, metadata.epoch}));
  return opener_.open(config, placement, copy, number);
}

void CopyHost::drop_unwanted(const ClusterMetadata& metadata) {
  std::vector<std::pair<ShardId, storage::CopyNumber>> unwanted;
  for (const auto& [id, local] : registry_->copies()) {
    if (past(metadata, id)) continue;
    const auto placement = metadata.placements.find(id);
    const auto* copy = placement == metadata.placements.end() ? nullptr : mine(placement->second);
    if (copy == nullptr || (local.id != 0 && local.id != copy->id)) unwanted.emplace_back(id, local.number);
  }
  for (const auto& [id, number] : unwanted) {
    if (auto dropped = registry_->drop(id); !dropped) {
      spdlog::error("shard {}: its data could not be dropped (retried later): {}", id.value(), dropped.error().message);
      continue;
    }
    std::error_code ignored;
    std::filesystem::remove_all(opener_.directory_of(number), ignored);
    note(id, "");
  }
}

/// A shard that was just created is open once the empty copy of its primary is in sync.
void CopyHost::open_shards_led_here(const ClusterMetadata& metadata) const {
  for (const auto& [id, placement] : metadata.placements) {
    const auto* copy = mine(placement);
    if (copy == nullptr || copy->role != CopyRole::kInit || placement.primary != options_.self || !find(id)) continue;
    const auto decided = metadata_.propose(cluster::OpenCopy{id, placement.term, placement.isr_version, options_.self});
    if (!decided) {
      spdlog::warn("shard {}: its new copy could not join: {}", id.value(), decided.error().message);
    }
  }
}

// ---- What is here ----

std::shared_ptr<const HostedCopy> CopyHost::find(const ShardId& shard) const {
  const auto copies = copies_.get();
  const auto found = copies->find(shard);
  return found == copies->end() ? nullptr : found->second;
}

std::vector<peer::CopyStatus> CopyHost::not_open() const {
  std::vector<peer::CopyStatus> statuses;
  const std::lock_guard lock(problems_mutex_);
  for (const auto& [id, status] : not_open_) statuses.push_back(status);
  return statuses;
}

std::map<ShardId, std::string> CopyHost::not_open_because() const {
  std::map<ShardId, std::string> reasons;
  const std::lock_guard lock(problems_mutex_);
  for (const auto& [id, status] : not_open_) {
    if (const auto problem = problems_.find(id); problem != problems_.end()) reasons.emplace(id, problem->second);
  }
  return reasons;
}

void CopyHost::lose(std::vector<std::uint64_t> copies) {
  const std::lock_guard lock(reconcile_mutex_);
  lost_.insert(copies.begin(), copies.end());
  const auto metadata = metadata_.current();
  const auto open = copies_.get();
  for (const auto& [id, hosted] : *open) {
    const auto placement = metadata->placements.find(id);
    if (!hosted->group || !lost_.contains(hosted->id) || placement == metadata->placements.end()) continue;
    const auto* copy = placement->second.copy(hosted->id);
    if (copy == nullptr || !another_in_sync(placement->second, *copy)) continue;
    hosted->group->quarantine("its data ends before what it had confirmed (lost)");
  }
}

std::vector<std::string> CopyHost::problems() const {
  std::vector<std::string> lines;
  const std::lock_guard lock(problems_mutex_);
  if (!registry_problem_.empty()) lines.push_back(registry_problem_);
  for (const auto& [id, text] : problems_) lines.push_back(text);
  return lines;
}

void CopyHost::stop_fetching() {
  incoming_.stop();
  fetches_.stop();
}

void CopyHost::close() const {
  const auto copies = copies_.get();
  for (const auto& [id, hosted] : *copies) opener_.close(*hosted);
}

std::vector<peer::CopyPosition> CopyHost::positions() {
  const std::lock_guard lock(reconcile_mutex_);
  std::vector<peer::CopyPosition> positions;
  if (auto loaded = load_registry(); !loaded) return positions;
  for (const auto& [shard, copy] : registry_->copies()) {
    const auto log = database_.open_log(copy.number);
    if (log && copy.id != 0) positions.push_back({copy.id, (*log)->term(), (*log)->last().sequence});
  }
  return positions;
}

// ---- Checkpoints from a primary ----

void CopyHost::fetch_checkpoint(const ShardId& shard, std::uint64_t copy, const NodeId& primary, std::uint64_t term) {
  storage::CopyNumber number = 0;
  {
    const std::lock_guard lock(reconcile_mutex_);
    auto allocated = registry_->allocate();
    if (!allocated) {
      spdlog::error("shard {}: no room for a checkpoint: {}", shard.value(), allocated.error().message);
      return go_on_without_checkpoint(shard, copy);
    }
    number = *allocated;
  }
  spdlog::info("shard {}: fetches a checkpoint from node '{}'", shard.value(), primary.value());
  auto outcome = receive(shard, primary, term, number);
  if (outcome) outcome = go_live(shard, copy, number);
  if (outcome) return;
  spdlog::warn("shard {}: the checkpoint of node '{}' was not taken over: {}", shard.value(), primary.value(),
               outcome.error().message);
  go_on_without_checkpoint(shard, copy);
  const std::lock_guard lock(reconcile_mutex_);
  if (auto discarded = registry_->discard(number); !discarded) spdlog::error("{}", discarded.error().message);
  std::error_code ignored;
  std::filesystem::remove_all(opener_.directory_of(number), ignored);
}

void CopyHost::go_on_without_checkpoint(const ShardId& shard, std::uint64_t copy) const {
  const auto hosted = find(shard);
  if (hosted && hosted->group && hosted->id == copy) hosted->group->checkpoint_failed();
}

replication::CheckpointTarget CopyHost::target_of(storage::CopyNumber number) const {
  return {&database_, number, opener_.directory_of(number) / shard::kSavedIndexFile};
}

Result<void> CopyHost::receive(const ShardId& shard, const NodeId& primary, std::uint64_t term,
                               storage::CopyNumber number) {
  const auto source = options_.replication->peers->replication(primary);
  if (!source) {
    return Error{ErrorType::kNodeUnreachable, fmt::format("Failed to get client for node '{}'", primary.value())};
  }
  const auto directory = opener_.directory_of(number);
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot create {}: {}", directory.string(), problem.message())};
  }
  const auto measured = incoming_.measured(*source);
  ASSIGN_OR_RETURN(const auto at, replication::receive_checkpoint(*measured, shard, term, target_of(number)));
  spdlog::info("shard {}: has a checkpoint of sequence {}, term {}", shard.value(), at.sequence, at.term);
  return {};
}

Result<void> CopyHost::go_live(const ShardId& shard, std::uint64_t copy, storage::CopyNumber number) {
  const std::lock_guard lock(reconcile_mutex_);
  const auto metadata = metadata_.current();
  const auto placement = metadata->placements.find(shard);
  const auto* wanted = placement == metadata->placements.end() ? nullptr : mine(placement->second);
  if (wanted == nullptr || wanted->id != copy) return Error{ErrorType::kConflict, "the copy is not wanted any more"};
  auto copies = *copies_.get();
  std::optional<storage::CopyNumber> before;
  if (const auto old = copies.find(shard); old != copies.end()) {
    before = old->second->number;
    // What the old copy has seen of terms binds the new one: it must not follow a primary that the old one had refused.
    const auto handed_on = replication::hand_on(*old->second->group, target_of(number));
    opener_.close(*old->second);
    copies.erase(old);
    publish(copies);
    if (!handed_on) return handed_on.error();  // the next reconciliation opens the old one again
  }
  RETURN_IF_ERROR(registry_->record(shard, {number, copy, metadata->epoch}));
  if (before) {
    std::error_code ignored;
    std::filesystem::remove_all(opener_.directory_of(*before), ignored);
  }
  auto hosted = open_copy(*metadata, placement->second, *wanted);
  if (!hosted) {
    note(shard, fmt::format("shard {}: {}", shard.value(), hosted.error().message));
    return {};  // its data is complete: the next reconciliation tries again
  }
  copies.emplace(shard, std::move(*hosted));
  publish(std::move(copies));
  note(shard, "");
  return {};
}

}  // namespace vectorizer::node
