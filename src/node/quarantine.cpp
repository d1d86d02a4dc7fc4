#include "quarantine.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vectorizer::node {
namespace {

/// Beside being poked, for what could not be done the last time.
constexpr std::chrono::milliseconds kFollowInterval{1000};

}  // namespace

Quarantine::Quarantine(NodeId self, storage::Database& database, cluster::MetadataLog& metadata, Ports ports,
                       MetricsRegistry& metrics)
    : self_(std::move(self)),
      database_(database),
      metadata_(metadata),
      ports_(std::move(ports)),
      damage_(
          metrics.counter("vectorizer_storage_damage_total",
                          "Reads that found a wrong checksum, a file that is cut or gone, or a record that is none.")),
      quarantines_(metrics.counter(
          "vectorizer_quarantines_total",
          "Copies that this node took out of use: its own damaged ones, and those unlike the one that it leads.")),
      now_(metrics.gauge("vectorizer_quarantined_copies",
                         "Shards with a copy that this node took out of use and that is not made again yet.")) {
  database_.watch_damage([this](auto number, const std::string& what) { found(number, what); });
  following_.start(kFollowInterval, [this](const std::stop_token&) { follow(); });
}

void Quarantine::stop() {
  database_.watch_damage({});
  following_.stop();
}

/// On the thread of a reader: only takes note.
void Quarantine::found(std::optional<storage::CopyNumber> number, const std::string& what) {
  damage_.Increment();
  {
    const std::lock_guard lock(mutex_);
    if (!number) {
      unknown_ = true;
      whole_ = what;
    } else if (found_.size() < kRemembered) {
      found_.emplace(*number, what);
    }
  }
  following_.poke();
}

void Quarantine::follow() {
  std::map<storage::CopyNumber, std::string> damaged;
  bool unknown = false;
  {
    const std::lock_guard lock(mutex_);
    damaged.swap(found_);
    unknown = std::exchange(unknown_, false);
  }
  const auto copies = ports_.copies();
  for (const auto& [number, what] : damaged) {
    const auto hosted = std::find_if(copies->begin(), copies->end(),
                                     [&, wanted = number](const auto& item) { return item.second->number == wanted; });
    // One that could not be opened is reported as failed by who tried.
    if (hosted == copies->end()) continue;
    if (auto closed = close(hosted->first, *hosted->second, what); !closed) spdlog::error("{}", closed.error().message);
  }
  if (unknown) ports_.read_everything();
  const auto metadata = metadata_.current();
  const std::lock_guard lock(mutex_);
  const auto over = [&](const auto& item) {
    const auto found = metadata->placements.find(item.first);
    if (found == metadata->placements.end()) return true;
    const auto& placement = found->second;
    if (placement.copy(item.second.copy) != nullptr) return false;
    const auto* collection = metadata->find(placement.collection);
    return collection == nullptr || placement.in_sync_count() >= collection->config.sharding.replication_factor;
  };
  std::erase_if(taken_, over);
  std::erase_if(only_, over);
  now_.Set(static_cast<double>(taken_.size()));
}

bool Quarantine::only_one(const ShardId& shard, std::uint64_t copy) const {
  const auto metadata = metadata_.current();
  const auto placement = metadata->placements.find(shard);
  if (placement == metadata->placements.end()) return false;
  const auto& copies = placement->second.copies;
  return std::none_of(copies.begin(), copies.end(), [&](const cluster::CopyRecord& other) {
    return other.id != copy && other.role == cluster::CopyRole::kInSync;
  });
}

Result<void> Quarantine::close(const ShardId& shard, const HostedCopy& hosted, const std::string& why) {
  if (!hosted.group || only_one(shard, hosted.id)) {
    const auto text = fmt::format("shard {}: its only copy is damaged: {}", shard.value(), why);
    const std::lock_guard lock(mutex_);
    if (only_.size() < kRemembered) only_[shard] = {self_, hosted.id, why};
    return Error{ErrorType::kShardUnavailable, text};
  }
  if (const auto known = of(shard); known && known->copy == hosted.id) return {};
  note(shard, {self_, hosted.id, why});
  spdlog::error("shard {}: copy {} is in quarantine, another is made from a good one: {}", shard.value(), hosted.id,
                why);
  hosted.group->quarantine(fmt::format("in quarantine: {}", why));
  return {};
}

Result<void> Quarantine::take(const ShardId& shard, std::uint64_t term, std::uint64_t copy, const std::string& why) {
  const auto metadata = metadata_.current();
  const auto found = metadata->placements.find(shard);
  const auto* record = found == metadata->placements.end() ? nullptr : found->second.copy(copy);
  if (record == nullptr || found->second.term != term) {
    return Error{
        ErrorType::kConflict,
        fmt::format("copy {} of shard {} is not there any more, or another term has begun", copy, shard.value())};
  }
  if (record->node == self_) {
    const auto copies = ports_.copies();
    const auto hosted = copies->find(shard);
    if (hosted != copies->end() && hosted->second->id == copy) return close(shard, *hosted->second, why);
    return Error{ErrorType::kConflict, fmt::format("copy {} of shard {} is not open", copy, shard.value())};
  }
  const auto node = record->node;
  const auto dropped = metadata_.propose(cluster::DropCopy{shard, term, found->second.isr_version, copy});
  if (!dropped) return dropped.error();
  spdlog::error("shard {}: copy {} on node '{}' is given up, another is made from a good one: {}", shard.value(), copy,
                node.value(), why);
  note(shard, {node, copy, why});
  return {};
}

void Quarantine::note(const ShardId& shard, Entry entry) {
  quarantines_.Increment();
  const std::lock_guard lock(mutex_);
  taken_[shard] = std::move(entry);
  now_.Set(static_cast<double>(taken_.size()));
}

std::optional<Quarantine::Entry> Quarantine::of(const ShardId& shard) const {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(shard);
  if (found == taken_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> Quarantine::warnings() const {
  std::vector<std::string> lines;
  const std::lock_guard lock(mutex_);
  for (const auto& [shard, entry] : only_) {
    lines.push_back(
        fmt::format("shard {}: its only copy is damaged, and cannot be made again: {}", shard.value(), entry.why));
  }
  if (!whole_.empty()) {
    lines.push_back(
        fmt::format("a file of the store is damaged and cannot be compacted; wipe this node when all "
                    "shards are replicated: {}",
                    whole_));
  }
  return lines;
}

}  // namespace vectorizer::node
