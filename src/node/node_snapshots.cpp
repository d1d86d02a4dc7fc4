#include "node_snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/base/durable_file.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/node/stored_copies.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {
namespace {

using peer::SnapshotInfo;
using peer::SnapshotOrder;
using peer::SnapshotState;
using storage::SnapshotManifest;

constexpr std::string_view kUnfinished = ".unfinished-";
constexpr std::string_view kRemoved = ".removed-";
constexpr std::size_t kMaxSnapshots = 1000;
constexpr std::uint64_t kReaderCache = 8ULL << 20;

Error io_error(std::string_view doing, const std::filesystem::path& path, const std::error_code& problem) {
  const auto type = problem == std::errc::no_space_on_device ? ErrorType::kStorageFull : ErrorType::kInternal;
  return Error{type, fmt::format("cannot {} '{}': {}", doing, path.string(), problem.message())};
}

Error not_found(const std::string& name) {
  return Error{ErrorType::kNotFound, fmt::format("snapshot '{}' does not exist", name)}.with("id", name);
}

void describe(SnapshotInfo& info, const SnapshotManifest& manifest) {
  info.created_at_ms = manifest.created_at_ms;
  info.bytes = manifest.bytes();
  info.shared_bytes = manifest.shared_bytes;
  info.files = manifest.files.size();
  info.metadata_epoch = manifest.metadata_epoch;
  info.nodes = manifest.nodes;
  info.points.clear();
  for (const auto& copy : manifest.copies) {
    info.points.push_back({copy.shard, std::max(copy.term, copy.last.term), copy.applied});
  }
}

}  // namespace

SnapshotOptions snapshot_options(const LocalNodeOptions& options) {
  SnapshotOptions out;
  out.directory =
      std::filesystem::absolute(options.snapshot_dir.empty() ? options.data_dir / "snapshots" : options.snapshot_dir)
          .lexically_normal();
  out.data_dir = options.data_dir;
  out.node = options.self;
  if (options.replication) out.node_uuid = options.replication->node_uuid;
  out.version = options.version;
  out.save_membership = options.save_membership;
  return out;
}

NodeSnapshots::NodeSnapshots(SnapshotOptions options, storage::Database& database, cluster::MetadataLog& metadata,
                             std::mutex& copies_mutex)
    : options_(std::move(options)), database_(database), metadata_(metadata), copies_mutex_(copies_mutex) {
  look();
}

Result<std::vector<SnapshotInfo>> NodeSnapshots::handle(const SnapshotOrder& order) {
  if (order.kind != SnapshotOrder::Kind::kList && !storage::is_snapshot_name(order.name)) {
    return invalid_field("name", "must be 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-', and not begin with '.'");
  }
  look();
  switch (order.kind) {
    case SnapshotOrder::Kind::kList:
      return list();
    case SnapshotOrder::Kind::kCreate:
      RETURN_IF_ERROR(create(order));
      break;
    case SnapshotOrder::Kind::kVerify:
      RETURN_IF_ERROR(verify(order.name));
      break;
    case SnapshotOrder::Kind::kRemove:
      RETURN_IF_ERROR(remove(order.name));
      break;
  }
  auto all = list();
  std::erase_if(all, [&](const SnapshotInfo& info) { return info.name != order.name; });
  return all;
}

void NodeSnapshots::look() {
  std::vector<std::string> found;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, problem)) {
    const auto name = entry.path().filename().string();
    if (entry.is_directory(problem)) found.push_back(name);
  }
  const std::lock_guard lock(mutex_);
  std::error_code ignored;
  for (const auto& name : found) {
    const bool leftover = name.starts_with(kUnfinished) || name.starts_with(kRemoved);
    if (leftover && !cleaned_) std::filesystem::remove_all(options_.directory / name, ignored);
    if (leftover || !storage::is_snapshot_name(name) || entries_.count(name) != 0) continue;
    if (entries_.size() >= kMaxSnapshots) break;
    auto& entry = entries_[name];
    entry.info.name = name;
    entry.info.path = (options_.directory / name).string();
    auto manifest = storage::read_manifest(options_.directory / name);
    if (!manifest) {
      entry.info.state = SnapshotState::kDamaged;
      entry.info.problems = {manifest.error().message};
      continue;
    }
    entry.manifest = std::move(*manifest);
    entry.info.state = SnapshotState::kComplete;
    describe(entry.info, entry.manifest);
    if (auto checksum = storage::manifest_checksum(options_.directory / name)) entry.info.checksum = *checksum;
  }
  cleaned_ = true;
  std::erase_if(entries_, [&](const auto& item) {
    const bool on_disk =
        item.second.info.state == SnapshotState::kComplete || item.second.info.state == SnapshotState::kDamaged;
    return on_disk && !std::filesystem::exists(item.second.info.path, ignored);
  });
}

std::vector<SnapshotInfo> NodeSnapshots::list() const {
  std::vector<SnapshotInfo> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) all.push_back(entry.info);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.created_at_ms < b.created_at_ms; });
  return all;
}

// ---- Making one ----

Result<void> NodeSnapshots::create(const SnapshotOrder& order) {
  if (database_.storage_full()) {
    return Error{ErrorType::kStorageFull, "the disk is nearly full: no snapshot is made"};
  }
  const auto place = options_.directory / (std::string(kUnfinished) + order.name);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error{ErrorType::kShuttingDown, "the node stops"};
    const auto known = entries_.find(order.name);
    if (known != entries_.end() && known->second.info.state != SnapshotState::kFailed) {
      return Error{ErrorType::kConflict, fmt::format("snapshot '{}' exists already", order.name)}.with("id",
                                                                                                       order.name);
    }
    if (known == entries_.end() && entries_.size() >= kMaxSnapshots) {
      return Error{ErrorType::kConflict,
                   fmt::format("there are {} snapshots, the most that there can be; delete some", kMaxSnapshots)};
    }
    auto& entry = entries_[order.name];
    entry = {};
    entry.info.name = order.name;
    entry.info.path = (options_.directory / order.name).string();
    entry.info.created_at_ms = wall_ms();
    entry.info.nodes = order.nodes;
  }
  auto linked = link(order, place);
  if (!linked) {
    std::error_code ignored;
    std::filesystem::remove_all(place, ignored);
    const std::lock_guard lock(mutex_);
    entries_.erase(order.name);
    return linked.error();
  }
  queue([this, place, manifest = std::move(*linked)] { complete(manifest, place); });
  return {};
}

Result<SnapshotManifest> NodeSnapshots::link(const SnapshotOrder& order, const std::filesystem::path& place) const {
  std::error_code problem;
  std::filesystem::create_directories(options_.directory, problem);
  if (!problem) std::filesystem::remove_all(place, problem);
  if (!problem) std::filesystem::create_directory(place, problem);
  if (problem) return io_error("create", place, problem);

  SnapshotManifest manifest;
  manifest.name = order.name;
  manifest.created_at_ms = wall_ms();
  manifest.version = options_.version;
  manifest.node = options_.node;
  manifest.node_uuid = options_.node_uuid;
  manifest.nodes = order.nodes;
  // Most of the writing, before anybody has to wait for it.
  RETURN_IF_ERROR(database_.flush());
  // No copy comes or goes in between, so that metadata and data speak of the same ones.
  const std::lock_guard lock(copies_mutex_);
  const auto metadata = metadata_.current();
  manifest.cluster_id = metadata->cluster_id;
  manifest.metadata_epoch = metadata->epoch;
  manifest.metadata = cluster::encode_metadata(*metadata);
  if (options_.save_membership) RETURN_IF_ERROR(options_.save_membership(place));
  RETURN_IF_ERROR(database_.checkpoint(place / "db"));
  RETURN_IF_ERROR(link_indexes(place));
  return manifest;
}

Result<void> NodeSnapshots::link_indexes(const std::filesystem::path& place) const {
  const auto from = options_.data_dir / "index";
  std::error_code problem;
  if (!std::filesystem::exists(from, problem)) return {};
  for (const auto& copy : std::filesystem::directory_iterator(from, problem)) {
    const auto file = copy.path() / shard::kSavedIndexFile;
    std::error_code absent;
    if (!std::filesystem::exists(file, absent)) continue;
    const auto to = place / "index" / copy.path().filename();
    std::filesystem::create_directories(to, problem);
    if (!problem) std::filesystem::create_hard_link(file, to / shard::kSavedIndexFile, problem);
    if (problem == std::errc::no_such_file_or_directory) continue;  // its copy went meanwhile
    if (problem) return io_error("link", file, problem);
  }
  return {};
}

void NodeSnapshots::complete(SnapshotManifest manifest, const std::filesystem::path& place) {
  const auto begun = std::chrono::steady_clock::now();
  const auto settled = settle(manifest, place);
  std::error_code ignored;
  if (!settled) std::filesystem::remove_all(place, ignored);
  auto checksum = settled ? storage::manifest_checksum(options_.directory / manifest.name) : settled.error();
  const std::lock_guard lock(mutex_);
  auto& entry = entries_[manifest.name];
  if (!checksum) {
    spdlog::error("snapshot '{}' was not made: {}", manifest.name, checksum.error().message);
    entry.info.state = SnapshotState::kFailed;
    entry.info.problems = {checksum.error().message};
    return;
  }
  describe(entry.info, manifest);
  entry.info.checksum = *checksum;
  entry.info.state = SnapshotState::kComplete;
  spdlog::info("snapshot '{}': {} files, {} bytes, {} of them shared, complete after {} ms", manifest.name,
               manifest.files.size(), entry.info.bytes, manifest.shared_bytes,
               std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count());
  entry.manifest = std::move(manifest);
}

Result<void> NodeSnapshots::settle(SnapshotManifest& manifest, const std::filesystem::path& place) {
  {
    // What cannot be opened is no backup; and only what is in it says how far it is.
    MetricsRegistry metrics;
    storage::DatabaseOptions options;
    options.directory = place / "db";
    options.block_cache_bytes = kReaderCache;
    options.read_only = true;
    ASSIGN_OR_RETURN(const auto database, storage::open_database(options, metrics));
    ASSIGN_OR_RETURN(manifest.copies, stored_copies(*database));
  }
  std::optional<SnapshotManifest> before;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      if (entry.info.state != SnapshotState::kComplete) continue;
      if (!before || before->created_at_ms < entry.manifest.created_at_ms) before = entry.manifest;
    }
  }
  const auto before_place = before ? options_.directory / before->name : std::filesystem::path();
  ASSIGN_OR_RETURN(manifest.files, storage::sum_files(place, before_place, before ? &*before : nullptr,
                                                      manifest.shared_bytes, [this] { return stopping(); }));
  RETURN_IF_ERROR(storage::write_manifest(place, manifest));
  std::error_code problem;
  const auto named = options_.directory / manifest.name;
  std::filesystem::rename(place, named, problem);
  if (problem) return io_error("rename", place, problem);
  return sync_directory_of(named);
}

// ---- What is there ----

Result<void> NodeSnapshots::verify(const std::string& name) {
  SnapshotManifest manifest;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return not_found(name);
    auto& info = found->second.info;
    if (info.state == SnapshotState::kVerifying) return {};
    if (info.state != SnapshotState::kComplete && info.state != SnapshotState::kDamaged) {
      return Error{ErrorType::kConflict, fmt::format("snapshot '{}' is not complete", name)}.with("id", name);
    }
    info.state = SnapshotState::kVerifying;
    manifest = found->second.manifest;
  }
  queue([this, name, manifest = std::move(manifest)] { check(name, manifest); });
  return {};
}

void NodeSnapshots::check(const std::string& name, const SnapshotManifest& manifest) {
  const auto place = options_.directory / name;
  std::vector<std::string> problems;
  if (auto on_disk = storage::read_manifest(place); !on_disk) {
    problems = {on_disk.error().message};
  } else if (!manifest.name.empty() && !(*on_disk == manifest)) {
    problems = {fmt::format("{}: is not the one that was written", storage::kSnapshotManifest)};
  } else {
    auto checked = storage::check_files(place, *on_disk, [this] { return stopping(); });
    problems = checked ? std::move(*checked) : std::vector{checked.error().message};
  }
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  auto& info = found->second.info;
  info.state = problems.empty() ? SnapshotState::kComplete : SnapshotState::kDamaged;
  info.verified_at_ms = wall_ms();
  info.problems = std::move(problems);
  for (const auto& problem : info.problems) spdlog::error("snapshot '{}' is damaged: {}", name, problem);
}

Result<void> NodeSnapshots::remove(const std::string& name) {
  const auto hidden = options_.directory / (std::string(kRemoved) + name);
  std::error_code problem;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return not_found(name);
    const auto state = found->second.info.state;
    if (state == SnapshotState::kCreating || state == SnapshotState::kVerifying) {
      return Error{ErrorType::kConflict, fmt::format("snapshot '{}' is being {}", name,
                                                     state == SnapshotState::kCreating ? "made" : "verified")}
          .with("id", name);
    }
    std::filesystem::remove_all(hidden, problem);
    if (state != SnapshotState::kFailed) std::filesystem::rename(options_.directory / name, hidden, problem);
    if (problem && problem != std::errc::no_such_file_or_directory) {
      return io_error("remove", options_.directory / name, problem);
    }
    entries_.erase(found);
  }
  std::filesystem::remove_all(hidden, problem);
  if (problem) spdlog::warn("snapshot '{}' is removed at the next start: {}", name, problem.message());
  return {};
}

// ---- The thread ----

void NodeSnapshots::queue(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
  wake_.notify_one();
}

void NodeSnapshots::work() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

bool NodeSnapshots::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void NodeSnapshots::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (worker_.joinable()) worker_.join();
}

}  // namespace vectorizer::node
