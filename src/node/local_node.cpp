#include "vectorizer/node/local_node.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "copy_digest.hpp"
#include "copy_host.hpp"
#include "handovers.hpp"
#include "maintenance.hpp"
#include "node_snapshots.hpp"
#include "quarantine.hpp"
#include "scrub.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/periodic.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {
namespace {

Error unavailable(const ShardId& shard, const NodeId& node) {
  return Error{ErrorType::kShardUnavailable,
               fmt::format("Shard not found or not assigned: shard {} on node '{}'", shard.value(), node.value())}
      .with("shard_id", shard.value())
      .with("node", node.value());
}

Error session_lost(const ShardId& shard, const LogPosition& here, const LogPosition& wanted) {
  return Error{
      ErrorType::kSessionLost,
      fmt::format("shard {} has not what X-Session-Token says was written: it is at {} of term {}, the token at {} of "
                  "term {}",
                  shard.value(), here.sequence, here.term, wanted.sequence, wanted.term)}
      .with("shard_id", shard.value());
}

/// All operation logs of the node may take 5 % of its disk, at most 16 GiB.
replication::HeartbeatOptions heartbeat_options(const std::filesystem::path& data_dir) {
  replication::HeartbeatOptions options;
  std::error_code problem;
  const auto space = std::filesystem::space(data_dir, problem);
  if (!problem) options.log_bytes = std::min<std::uint64_t>(options.log_bytes, space.capacity / 20);
  return options;
}

ScrubOptions scrub_options(const LocalNodeOptions& options) {
  ScrubOptions scrub;
  if (!options.replication) return scrub;
  scrub.interval = options.replication->scrub_interval;
  scrub.bytes_per_second = options.replication->scrub_bytes_per_second;
  return scrub;
}

class LocalNodeImpl final : public LocalNode {
 public:
  LocalNodeImpl(LocalNodeOptions options, storage::Database& database, cluster::MetadataLog& metadata,
                MetricsRegistry& registry)
      : options_(std::move(options)),
        database_(database),
        metadata_(metadata),
        heartbeat_(options_.replication
                       ? std::make_unique<replication::Heartbeat>(heartbeat_options(options_.data_dir), registry)
                       : nullptr),
        host_(options_, database_, metadata_, heartbeat_.get(), registry),
        write_lane_("shard-write", options_.write_threads, kWriteQueue),
        handovers_(options_.self, host_, metadata_),
        snapshots_(snapshot_options(options_), database_, metadata_, host_.changes()),
        maintenance_(options_.index_threads, [this] { return host_.shards(); }),
        quarantine_(options_.self, database_, metadata_,
                    {[this] { return host_.open_copies(); }, [this] { reading_.poke(); }}, registry),
        scrub_(scrub_options(options_), scrub_ports(), registry) {
    reading_.start(std::chrono::hours(24 * 365), [this, first = true](const std::stop_token& stop) mutable {
      if (!std::exchange(first, false)) read_everything(stop);
    });
    scrub_.start();
  }

  ~LocalNodeImpl() override { stop(); }

  void reconcile(const std::shared_ptr<const cluster::ClusterMetadata>& metadata) override {
    if (!host_.reconcile(metadata)) return;
    handovers_.follow_moves(*metadata);
    maintenance_.poke();
  }
  bool follows(std::uint64_t epoch, std::chrono::milliseconds timeout) override {
    return host_.follows(epoch, timeout);
  }
  std::vector<std::string> problems() const override;
  std::vector<std::string> warnings() const override;
  std::vector<peer::CopyStatus> copies() const override;
  std::vector<peer::CopyPosition> positions() override { return host_.positions(); }
  std::chrono::milliseconds longest_disk_wait() const override {
    const auto queued = heartbeat_ ? heartbeat_->longest_disk_wait() : std::chrono::milliseconds(0);
    return std::max(queued, database_.longest_write());
  }
  void hand_over(std::chrono::milliseconds timeout) override { handovers_.give_away_all(timeout); }
  void stop() override;

  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite> writes) override;
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId> shards, const SearchQuery& query) override;
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds> wanted, const Projection& what,
                                                       const ReadFrom& from) override;
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId> shards, const ScrollQuery& query,
                                                        const ReadFrom& from) override;
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId> shards,
                                                     const std::optional<Filter>& filter,
                                                     const ReadFrom& from) override;
  Result<std::vector<PointId>> matching(const ShardId& shard, const Filter& filter, const std::optional<PointId>& after,
                                        std::size_t limit) override {
    return read(shard, ReadFrom(), [&](const shard::Shard& found) { return found.matching(filter, after, limit); });
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId> shards) override;
  Result<peer::ShardDigest> digest(const ShardId& shard) override;
  Result<peer::CopySlice> slice(const ShardId& shard, const peer::SliceOrder& order) override;
  void lose(std::vector<std::uint64_t> copies) override { host_.lose(std::move(copies)); }
  Result<std::vector<peer::SnapshotInfo>> snapshot(const peer::SnapshotOrder& order) override {
    return snapshots_.handle(order);
  }

  void replicate(peer::ReplicateRequest request, OnReply on_reply) override;
  Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) override;

 private:
  static constexpr std::size_t kWriteQueue = 1U << 16;
  static constexpr std::chrono::milliseconds kDigestWait{1000};
  /// How long a read waits for a copy that lags behind its session, and how many of them may hold a thread so.
  static constexpr std::chrono::milliseconds kSessionWait{1000};
  static constexpr int kSessionWaiters = 4;

  /// A read of one copy: allowed before it, and, as the primary's, still allowed after it.
  template <typename Read>
  auto read(const ShardId& shard, const ReadFrom& from, const Read& what) const
      -> decltype(what(std::declval<const shard::Shard&>())) {
    RETURN_IF_ERROR(from.deadline.check());
    const auto hosted = host_.find(shard);
    if (!hosted) return unavailable(shard, options_.self);
    if (const auto position = from.session.find(shard); position != from.session.end()) {
      RETURN_IF_ERROR(wait_for_session(shard, *hosted, position->second, from.deadline));
    }
    if (!hosted->group) return what(*hosted->shard);
    const bool primary = from.consistency == Consistency::kPrimary;
    const auto consistency = primary ? replication::ReadConsistency::kPrimary : replication::ReadConsistency::kAny;
    RETURN_IF_ERROR(hosted->group->readable(consistency));
    auto result = what(*hosted->shard);
    if (primary) RETURN_IF_ERROR(hosted->group->readable(consistency));
    return result;
  }
  Result<void> wait_for_session(const ShardId& shard, const HostedCopy& hosted, const LogPosition& position,
                                const Deadline& deadline) const;
  peer::ShardWriteReply write_one(const peer::ShardWrite& write);
  peer::ShardReport report_of(const ShardId& shard, const HostedCopy& hosted) const;
  ScrubPorts scrub_ports();
  std::vector<ScrubbedShard> led_here() const;
  void read_everything(const std::stop_token& stop);

  const LocalNodeOptions options_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  const std::unique_ptr<replication::Heartbeat> heartbeat_;  // null on a single node
  CopyHost host_;

  std::mutex digest_mutex_;
  std::condition_variable digest_ended_;  // digesting_ was cleared
  bool digesting_ = false;                // guarded by digest_mutex_: a copy is being read for its digest

  mutable std::atomic<int> session_waiters_ = 0;

  Lane write_lane_;
  Handovers handovers_;
  NodeSnapshots snapshots_;
  Maintenance maintenance_;
  Periodic reading_;  // when it is poked
  Quarantine quarantine_;
  Scrub scrub_;
};

// ---- What it says of itself ----

std::vector<std::string> LocalNodeImpl::problems() const {
  auto lines = host_.problems();
  const auto copies = host_.open_copies();
  const auto metadata = metadata_.current();
  for (const auto& [id, hosted] : *copies) {
    if (!hosted->group) continue;
    const auto placement = metadata->placements.find(id);
    const bool led_here = placement != metadata->placements.end() && placement->second.primary == options_.self;
    if (auto problem = hosted->group->problem(); !problem.empty()) {
      lines.push_back(fmt::format("shard {}: {}", id.value(), problem));
    } else if (led_here && !hosted->group->stats().open) {
      lines.push_back(fmt::format("shard {}: its primary, here, is taking over", id.value()));
    }
  }
  return lines;
}

std::vector<std::string> LocalNodeImpl::warnings() const {
  std::vector<std::string> lines;
  if (database_.storage_full()) lines.push_back("the disk is nearly full: writes other than deletes are refused");
  const auto copies = host_.open_copies();
  for (const auto& [id, hosted] : *copies) {
    if (auto problem = hosted->shard->stats().problem; !problem.empty()) {
      lines.push_back(fmt::format("shard {}: {}", id.value(), problem));
    }
  }
  for (auto& line : quarantine_.warnings()) lines.push_back(std::move(line));
  return lines;
}

std::vector<peer::CopyStatus> LocalNodeImpl::copies() const {
  std::vector<peer::CopyStatus> statuses;
  const auto copies = host_.open_copies();
  for (const auto& [id, hosted] : *copies) {
    if (hosted->group) statuses.push_back(hosted->group->status());
  }
  for (auto& status : host_.not_open()) statuses.push_back(std::move(status));
  return statuses;
}

void LocalNodeImpl::stop() {
  scrub_.stop();
  reading_.stop();
  quarantine_.stop();
  host_.stop_fetching();
  handovers_.stop();
  snapshots_.stop();
  maintenance_.stop();
  host_.close();
  write_lane_.stop();
  if (heartbeat_) heartbeat_->stop();
  const auto copies = host_.open_copies();
  for (const auto& [id, hosted] : *copies) {
    if (auto saved = hosted->shard->save(); !saved) {
      spdlog::warn("shard {}: index not saved, it is rebuilt on the next start: {}", id.value(), saved.error().message);
    }
  }
}

peer::ShardReport LocalNodeImpl::report_of(const ShardId& shard, const HostedCopy& hosted) const {
  const auto coming = host_.incoming().of(shard);
  peer::ShardReport report;
  static_cast<ShardStats&>(report) = hosted.shard->stats();
  report.shard = shard;
  report.received_bytes = coming.bytes;
  report.receiving_seconds = coming.seconds;
  if (auto entry = quarantine_.of(shard)) {
    report.quarantined = std::move(entry->why);
    report.quarantined_node = std::move(entry->node);
  }
  return report;
}

Result<std::vector<peer::ShardReport>> LocalNodeImpl::report(std::span<const ShardId> shards) {
  const auto here = host_.open_copies();
  std::vector<peer::ShardReport> reports;
  if (shards.empty()) {
    for (const auto& [id, hosted] : *here) reports.push_back(report_of(id, *hosted));
  }
  for (const auto& id : shards) {
    if (const auto found = here->find(id); found != here->end()) reports.push_back(report_of(id, *found->second));
  }
  for (const auto& [id, problem] : host_.not_open_because()) {
    const bool asked = shards.empty() || std::find(shards.begin(), shards.end(), id) != shards.end();
    if (!asked || here->contains(id)) continue;
    peer::ShardReport report;
    report.shard = id;
    report.quarantined = problem;
    report.open = false;
    reports.push_back(std::move(report));
  }
  return reports;
}

/// One at a time: it reads a copy whole, and is in no hurry.
Result<peer::ShardDigest> LocalNodeImpl::digest(const ShardId& shard) {
  const auto hosted = host_.find(shard);
  if (!hosted) return unavailable(shard, options_.self);
  {
    std::unique_lock lock(digest_mutex_);
    if (!digest_ended_.wait_for(lock, kDigestWait, [this] { return !digesting_; })) {
      return Error{ErrorType::kOverloaded, "another copy is being read for its digest"};
    }
    digesting_ = true;
  }
  auto digest = copy_digest(database_, hosted->number);
  {
    const std::lock_guard lock(digest_mutex_);
    digesting_ = false;
  }
  digest_ended_.notify_one();
  return digest;
}

Result<peer::CopySlice> LocalNodeImpl::slice(const ShardId& shard, const peer::SliceOrder& order) {
  const auto hosted = host_.find(shard);
  if (!hosted) return unavailable(shard, options_.self);
  // Some operations leave nothing in the store. What was applied before the store is read is in it.
  const auto applied = hosted->group ? hosted->group->status().applied : 0;
  ASSIGN_OR_RETURN(auto slice, copy_slice(database_, hosted->number, order));
  slice.sequence = std::max(slice.sequence, applied);
  return slice;
}

// ---- Damage ----

std::vector<ScrubbedShard> LocalNodeImpl::led_here() const {
  std::vector<ScrubbedShard> led;
  const auto copies = host_.open_copies();
  const auto metadata = metadata_.current();
  for (const auto& [id, hosted] : *copies) {
    const auto found = metadata->placements.find(id);
    if (found == metadata->placements.end() || found->second.primary != options_.self) continue;
    ScrubbedShard shard{id, hosted->id, found->second.term, {}};
    for (const auto& copy : found->second.copies) {
      if (copy.id == hosted->id || copy.role != cluster::CopyRole::kInSync || !metadata->live(copy)) continue;
      shard.others.push_back({copy.node, copy.id});
    }
    led.push_back(std::move(shard));
  }
  return led;
}

ScrubPorts LocalNodeImpl::scrub_ports() {
  ScrubPorts ports;
  ports.led_here = [this] { return led_here(); };
  ports.leads = [this](const ScrubbedShard& shard) {
    const auto hosted = host_.find(shard.shard);
    if (!hosted || hosted->id != shard.copy) return false;
    return !hosted->group || hosted->group->readable(replication::ReadConsistency::kPrimary);
  };
  ports.read = [this](const ShardId& shard, const peer::SliceOrder& order) { return slice(shard, order); };
  ports.ask = [this](const NodeId& node, const ShardId& shard,
                     const peer::SliceOrder& order) -> Result<peer::CopySlice> {
    auto* peer =
        options_.replication && options_.replication->nodes ? options_.replication->nodes->find(node) : nullptr;
    if (peer == nullptr) return unavailable(shard, node);
    return peer->slice(shard, order);
  };
  ports.quarantine = [this](const ScrubbedShard& shard, std::uint64_t copy, const std::string& why) {
    return quarantine_.take(shard.shard, shard.term, copy, why);
  };
  return ports;
}

/// Whoever finds damage tells of it.
void LocalNodeImpl::read_everything(const std::stop_token& stop) {
  const auto copies = host_.open_copies();
  for (const auto& [id, hosted] : *copies) {
    peer::SliceOrder order;
    order.max_points = ScrubOptions().slice_points;
    order.max_bytes = ScrubOptions().slice_bytes;
    for (bool more = true; more && !stop.stop_requested();) {
      const auto slice = copy_slice(database_, hosted->number, order);
      if (!slice) break;
      order.after = slice->last;
      more = !slice->complete;
    }
  }
}

// ---- Requests ----

peer::ShardWriteReply LocalNodeImpl::write_one(const peer::ShardWrite& write) {
  const auto hosted = host_.find(write.shard);
  if (!hosted) return {write.shard, unavailable(write.shard, options_.self)};
  auto outcomes = hosted->shard->write(write.ops, write.stamp);
  return {write.shard, std::move(outcomes), hosted->shard->stats().sequence};
}

std::vector<peer::ShardWriteReply> LocalNodeImpl::write(std::vector<peer::ShardWrite> writes) {
  std::vector<std::optional<peer::ShardWriteReply>> outcomes(writes.size());
  std::latch done(static_cast<std::ptrdiff_t>(writes.size()));
  // Shards sync side by side: the first on this thread, the others on the lane (or here, when it is full).
  for (std::size_t i = 1; i < writes.size(); ++i) {
    auto task = [&, i] {
      outcomes[i] = write_one(writes[i]);
      done.count_down();
    };
    if (!write_lane_.try_post(task)) task();
  }
  if (!writes.empty()) {
    outcomes[0] = write_one(writes[0]);
    done.count_down();
  }
  done.wait();
  maintenance_.poke();
  std::vector<peer::ShardWriteReply> replies;
  replies.reserve(writes.size());
  for (auto& outcome : outcomes) replies.push_back(*std::move(outcome));
  return replies;
}

Result<void> LocalNodeImpl::wait_for_session(const ShardId& shard, const HostedCopy& hosted,
                                             const LogPosition& position, const Deadline& deadline) const {
  if (!hosted.group) {  // the only copy: what it has is all there is
    const auto metadata = metadata_.current();
    const auto placement = metadata->placements.find(shard);
    const std::uint64_t term = placement == metadata->placements.end() ? 0 : placement->second.term;
    const std::uint64_t sequence = hosted.shard->stats().sequence;
    if (position.term <= term && position.sequence <= sequence) return {};
    return session_lost(shard, {.sequence = sequence, .term = term}, position);
  }
  const bool may_wait = ++session_waiters_ <= kSessionWaiters;
  const auto left = deadline.at() - Deadline::Clock::now();
  const auto wait = std::min<Deadline::Clock::duration>(left, may_wait ? kSessionWait : std::chrono::milliseconds(0));
  auto seen = hosted.group->wait_applied(position, std::chrono::duration_cast<std::chrono::milliseconds>(wait));
  --session_waiters_;
  return seen;
}

std::vector<peer::ShardSearchReply> LocalNodeImpl::search(std::span<const ShardId> shards, const SearchQuery& query) {
  const ReadFrom from{query.consistency, query.session, query.deadline};
  std::vector<peer::ShardSearchReply> replies;
  replies.reserve(shards.size());
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) { return found.search(query); })});
  }
  return replies;
}

std::vector<peer::ShardReply<peer::ShardPoints>> LocalNodeImpl::get(std::span<const peer::ShardIds> wanted,
                                                                    const Projection& what, const ReadFrom& from) {
  std::vector<peer::ShardReply<peer::ShardPoints>> replies;
  for (const auto& of_shard : wanted) {
    const auto get = [&](const shard::Shard& found) { return found.get(of_shard.ids, what); };
    replies.push_back({of_shard.shard, read(of_shard.shard, from, get)});
  }
  return replies;
}

std::vector<peer::ShardReply<peer::ShardPage>> LocalNodeImpl::scroll(std::span<const ShardId> shards,
                                                                     const ScrollQuery& query, const ReadFrom& from) {
  std::vector<peer::ShardReply<peer::ShardPage>> replies;
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) -> Result<peer::ShardPage> {
                         ASSIGN_OR_RETURN(auto page, found.scroll(query));
                         return peer::ShardPage{std::move(page.points), page.complete};
                       })});
  }
  return replies;
}

std::vector<peer::ShardReply<std::uint64_t>> LocalNodeImpl::count(std::span<const ShardId> shards,
                                                                  const std::optional<Filter>& filter,
                                                                  const ReadFrom& from) {
  std::vector<peer::ShardReply<std::uint64_t>> replies;
  for (const auto& id : shards) {
    replies.push_back({id, read(id, from, [&](const shard::Shard& found) { return found.count(filter); })});
  }
  return replies;
}

void LocalNodeImpl::replicate(peer::ReplicateRequest request, OnReply on_reply) {
  const auto hosted = host_.find(request.shard);
  if (hosted && hosted->group && hosted->id == request.copy) return on_reply(hosted->group->handle(request));
  peer::ReplicateReply reply;
  reply.outcome = peer::ReplicateReply::Outcome::kNotHere;
  on_reply(reply);
}

Result<void> LocalNodeImpl::fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) {
  const auto hosted = host_.find(shard);
  if (!hosted || !hosted->group) return unavailable(shard, options_.self);
  return hosted->group->send_checkpoint(term, sink);
}

}  // namespace

std::unique_ptr<LocalNode> make_local_node(LocalNodeOptions options, storage::Database& database,
                                           cluster::MetadataLog& metadata, MetricsRegistry& registry) {
  return std::make_unique<LocalNodeImpl>(std::move(options), database, metadata, registry);
}

}  // namespace vectorizer::node
