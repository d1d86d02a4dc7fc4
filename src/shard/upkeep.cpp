#include "upkeep.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <new>
#include <system_error>
#include <utility>

#include "recovery.hpp"

namespace vectorizer::shard {
namespace {

/// Vectors that one slice of background work indexes or copies: some 50 ms.
constexpr std::size_t kSlice = 256;
/// Fewer tombstones than this are not worth a compaction.
constexpr std::size_t kMinTombstones = 256;
/// While a compaction runs, the serving index moves vectors into its graph only past this.
constexpr std::size_t kTolerableTail = 4096;
constexpr double kSaveShare = 0.1;
constexpr std::chrono::seconds kSaveInterval{60};
/// Fewer changes than this share are indexed again faster than the whole index is written.
constexpr double kLeastSaveShare = 0.001;
/// Slots of the table that are encoded for saving while writers wait.
constexpr std::size_t kEncodedAtOnce = 8192;

}  // namespace

bool Upkeep::run(Clock::time_point now) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return help();
  const std::shared_ptr<Generation> generation = state_.current();
  if (compaction_) {
    if (generation->index->stats().pending > kTolerableTail) generation->index->index_pending(kSlice);
    step_compaction(now);
    return true;
  }
  if (generation->index->index_pending(kSlice) > 0) return true;
  const index::IndexStats stats = generation->index->stats();
  if (compaction_due(stats) && compaction_retry_.due(now)) {
    compaction_ = std::make_unique<Compaction>(state_);
    return true;
  }
  if (save_due(stats) && save_retry_.due(now)) {
    const auto saved = save_index();
    if (saved) {
      save_retry_.succeeded();
      report(save_problem_, {});
    } else {
      save_retry_.failed(now);
      report(save_problem_, "the index was not saved: " + saved.error().message);
    }
  }
  return false;
}

/// Another thread is at it, and only building a graph can be shared.
bool Upkeep::help() {
  std::shared_ptr<Generation> generation;
  {
    const std::shared_lock lock(state_.table_mutex);
    generation = state_.building ? state_.building : state_.generation;
  }
  return generation->index->index_pending(kSlice) > 0;
}

Result<void> Upkeep::save() {
  const std::lock_guard lock(mutex_);
  return save_index();
}

std::string Upkeep::problem() const {
  const std::lock_guard lock(problems_mutex_);
  return compaction_problem_.empty() ? save_problem_ : compaction_problem_;
}

/// Logged when it is new, or gone.
void Upkeep::report(std::string& problem, std::string text) {
  const std::lock_guard lock(problems_mutex_);
  if (problem == text) return;
  if (text.empty()) {
    spdlog::info("shard {}: works again ({})", state_.options.id.value(), problem);
  } else {
    spdlog::warn("shard {}: {}", state_.options.id.value(), text);
  }
  problem = std::move(text);
}

void Upkeep::step_compaction(Clock::time_point now) {
  const auto progress = step();
  if (progress && *progress == Compaction::Progress::kMore) return;
  compaction_.reset();
  if (progress) {
    swapped_since_save_ = true;
    compaction_retry_.succeeded();
    report(compaction_problem_, {});
    return;
  }
  compaction_retry_.failed(now);
  report(compaction_problem_, "compaction put off: " + progress.error().message);
}

Result<Compaction::Progress> Upkeep::step() {
  try {
    return compaction_->step(kSlice);
  } catch (const std::bad_alloc&) {
    return Error{ErrorType::kInternal, "there is no memory for a second generation"};
  }
}

bool Upkeep::compaction_due(const index::IndexStats& stats) const {
  if (state_.rebuild_wanted || stats.failed) return true;
  if (stats.tombstones == 0) return false;
  if (stats.live == 0) return true;
  return stats.tombstones >= kMinTombstones &&
         static_cast<double>(stats.tombstones) > state_.options.compaction_threshold * static_cast<double>(stats.slots);
}

bool Upkeep::save_due(const index::IndexStats& stats) const {
  if (swapped_since_save_) return true;
  const std::uint64_t unsaved = state_.changes - saved_changes_;
  if (unsaved == 0) return false;
  const double share = static_cast<double>(unsaved) / static_cast<double>(std::max<std::size_t>(stats.slots, 1));
  return share >= kSaveShare || (share >= kLeastSaveShare && Clock::now() - saved_at_ >= kSaveInterval);
}

Result<void> Upkeep::save_index() {
  const std::uint64_t changes = state_.changes;
  if (changes == saved_changes_ && !swapped_since_save_) return {};
  const std::shared_ptr<Generation> generation = state_.current();
  const std::filesystem::path file = saved_index_file(state_.options);
  if (generation->index->stats().graph_bytes == 0) {
    // Nothing that adding the vectors again would not give as fast.
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  } else {
    RETURN_IF_ERROR(write_index(*generation, file));
  }
  saved_changes_ = changes;
  swapped_since_save_ = false;
  saved_at_ = Clock::now();
  return {};
}

Result<void> Upkeep::write_index(const Generation& generation, const std::filesystem::path& file) const {
  std::size_t slots = 0;
  {
    const std::shared_lock lock(state_.table_mutex);
    slots = generation.table.slots();
  }
  std::string table = SlotTable::encode_start(slots);
  for (std::size_t begin = 0; begin < slots; begin += kEncodedAtOnce) {
    const std::shared_lock lock(state_.table_mutex);
    generation.table.encode_slots(table, begin, std::min(slots, begin + kEncodedAtOnce));
  }
  // The old file stays until the new one is whole. Points come first: only what they leave is for the index.
  const index::IndexStats stats = generation.index->stats();
  const std::uint64_t bytes = stats.code_bytes + stats.graph_bytes + table.size();
  if (!state_.store->has_room_for(bytes)) {
    return Error{ErrorType::kStorageFull, fmt::format("the disk has no room for {} MB more", bytes >> 20)};
  }
  ASSIGN_OR_RETURN([[maybe_unused]] const std::size_t covered, generation.index->save(file, table));
  return {};
}

}  // namespace vectorizer::shard
