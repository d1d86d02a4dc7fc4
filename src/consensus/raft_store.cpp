#include "raft_store.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iterator>
#include <utility>

namespace vectorizer::consensus {
namespace {

constexpr std::size_t kMaxGroupTasks = 256;
constexpr std::size_t kMaxGroupBytes = std::size_t{4} << 20;

/// Of the snapshot that a cluster begins with. Not 1: libraft takes a snapshot that ends there for an entry that it
/// could send, and a newcomer would never get either.
constexpr raft_index kFirstIndex = 2;

Error damaged(const std::string& what) {
  return {ErrorType::kConflict, "the Raft store is damaged: " + what};
}

/// Term, snapshot and entries must fit together; a gap would be a hole in what was promised.
Result<void> check(const LoadedLog& log) {
  const raft_index snapshot = log.snapshot ? log.snapshot->index : 0;
  const raft_index last = log.first + log.entries.size() - 1;
  if (log.first > snapshot + 1) {
    return damaged(fmt::format("the log begins at {}, the snapshot ends at {}", log.first, snapshot));
  }
  if (!log.entries.empty() && last < snapshot) {
    return damaged(fmt::format("the log ends at {}, before its snapshot at {}", last, snapshot));
  }
  const raft_term newest = !log.entries.empty() ? log.entries.back().term : log.snapshot ? log.snapshot->term : 0;
  if (newest > log.state.term) {
    return damaged(fmt::format("the log ends in term {}, the recorded term is {}", newest, log.state.term));
  }
  return {};
}

}  // namespace

LoadedLog::~LoadedLog() {
  for (const auto& entry : entries) raft_free(entry.batch);
}

Result<std::unique_ptr<RaftStore>> RaftStore::open(const std::filesystem::path& directory, raft_id owner) {
  ASSIGN_OR_RETURN(auto database, open_raft_database(directory));
  return over(std::move(database), owner);
}

Result<std::unique_ptr<RaftStore>> RaftStore::over(std::unique_ptr<RaftDatabase> database, raft_id owner) {
  ASSIGN_OR_RETURN(const auto format, database->get(kRaftFormatKey));
  if (!format) {
    bool other = false;
    RETURN_IF_ERROR(database->scan("", [&](std::string_view, std::string_view) -> Result<bool> {
      other = true;
      return false;
    }));
    if (other) return damaged("it holds a log but not whose it is");
    RETURN_IF_ERROR(database->write({{kRaftFormatKey, encode_format(owner)}}));
  } else {
    ASSIGN_OR_RETURN(const raft_id found, decode_format(*format));
    if (found != owner) {
      return Error{ErrorType::kInternal,
                   fmt::format("the Raft store belongs to the member n-{:x}, this node is n-{:x}", found, owner)};
    }
  }
  return std::unique_ptr<RaftStore>(new RaftStore(std::move(database)));
}

RaftStore::~RaftStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (worker_.joinable()) worker_.join();
}

Result<bool> RaftStore::empty() const {
  bool found = false;
  RETURN_IF_ERROR(database_->scan("", [&](std::string_view key, std::string_view) -> Result<bool> {
    found = key != kRaftFormatKey;
    return !found;
  }));
  return !found;
}

Result<void> RaftStore::bootstrap(const raft_configuration& configuration, std::string_view state) {
  ASSIGN_OR_RETURN(const bool is_empty, empty());
  if (!is_empty) {
    return Error{ErrorType::kConflict, "the Raft store holds a log already: it cannot begin another cluster"};
  }
  std::string packed = pack_state(state);
  raft_buffer buffer{packed.data(), packed.size()};
  raft_snapshot snapshot{};
  snapshot.index = kFirstIndex;
  snapshot.term = 1;
  snapshot.configuration = configuration;
  snapshot.configuration_index = 1;
  snapshot.bufs = &buffer;
  snapshot.n_bufs = 1;
  return database_->write({{kRaftStateKey, encode_hard_state({1, 0})}, {kRaftSnapshotKey, encode_snapshot(snapshot)}});
}

void RaftStore::start(Post post, std::function<void(const Error&)> failed) {
  post_ = std::move(post);
  failed_ = std::move(failed);
  worker_ = std::thread([this] { work(); });
}

Result<LoadedLog> RaftStore::load() {
  LoadedLog log;
  ASSIGN_OR_RETURN(const auto state, database_->get(kRaftStateKey));
  if (state) {
    ASSIGN_OR_RETURN(log.state, decode_hard_state(*state));
  }
  ASSIGN_OR_RETURN(const auto snapshot, database_->get(kRaftSnapshotKey));
  if (snapshot) {
    ASSIGN_OR_RETURN(log.snapshot, decode_snapshot(*snapshot));
    log.first = log.snapshot->index + 1;
  }
  RETURN_IF_ERROR(database_->scan(kRaftEntryPrefix, [&](std::string_view key, std::string_view value) -> Result<bool> {
    const auto index = index_of_key(key);
    if (!index) return damaged("a key of the log is malformed");
    if (log.entries.empty()) log.first = *index;
    if (*index != log.first + log.entries.size()) {
      return damaged(fmt::format("entry {} of the log is missing", log.first + log.entries.size()));
    }
    ASSIGN_OR_RETURN(const auto entry, decode_entry(value));
    log.entries.push_back(entry);
    return true;
  }));
  RETURN_IF_ERROR(check(log));
  state_ = log.state;
  first_ = log.first;
  next_ = log.first + log.entries.size();
  return log;
}

Result<void> RaftStore::write_state(const HardState& state) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return failure_.value_or(Error{ErrorType::kShuttingDown, "the Raft store is closed"});
  }
  if (auto written = database_->write({{kRaftStateKey, encode_hard_state(state)}}); !written) {
    fail(written.error());
    return written;
  }
  state_ = state;
  return {};
}

Result<void> RaftStore::set_term(raft_term term) {
  return write_state({term, 0});
}

Result<void> RaftStore::set_vote(raft_id vote) {
  return write_state({state_.term, vote});
}

void RaftStore::append(std::span<const raft_entry> entries, Done done) {
  Task task;
  for (const auto& entry : entries) task.changes.push_back({entry_key(next_++), encode_entry(entry)});
  task.done = std::move(done);
  queue(std::move(task));
}

void RaftStore::truncate(raft_index index) {
  if (index >= next_) return;
  // Point deletes: range deletes pile up, and each read has to sort them.
  Task task;
  for (raft_index i = std::max(index, first_); i < next_; ++i) task.changes.push_back({entry_key(i), std::nullopt});
  next_ = index;
  first_ = std::min(first_, index);
  queue(std::move(task));
}

void RaftStore::put_snapshot(const raft_snapshot& snapshot, unsigned trailing, Done done) {
  Task task;
  task.changes.push_back({kRaftSnapshotKey, encode_snapshot(snapshot)});
  if (trailing == 0) {
    for (raft_index i = first_; i < next_; ++i) task.changes.push_back({entry_key(i), std::nullopt});
    first_ = next_ = snapshot.index + 1;
  } else {
    const raft_index keep = snapshot.index > trailing ? snapshot.index - trailing + 1 : 1;
    for (; first_ < std::min(keep, next_); ++first_) task.changes.push_back({entry_key(first_), std::nullopt});
  }
  task.done = std::move(done);
  queue(std::move(task));
}

Result<OwnedSnapshot> RaftStore::snapshot() const {
  ASSIGN_OR_RETURN(const auto stored, database_->get(kRaftSnapshotKey));
  if (!stored) return damaged("its snapshot is gone");
  return decode_snapshot(*stored);
}

void RaftStore::drain(std::function<void()> done) {
  Task task;
  task.done = [done = std::move(done)](int) { done(); };
  task.last = true;
  queue(std::move(task));
}

void RaftStore::abandon() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

std::optional<Error> RaftStore::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void RaftStore::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    failure_ = error;
  }
  post_([this, error] { failed_(error); });
}

void RaftStore::queue(Task task) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
}

std::deque<RaftStore::Task> RaftStore::take_group() {
  std::deque<Task> group;
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < kMaxGroupTasks && bytes < kMaxGroupBytes) {
    for (const auto& change : queue_.front().changes)
      bytes += change.key.size() + (change.value ? change.value->size() : 0);
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

Result<void> RaftStore::write_group(const std::deque<Task>& group) {
  std::vector<RaftChange> changes;
  for (const auto& task : group) changes.insert(changes.end(), task.changes.begin(), task.changes.end());
  return changes.empty() ? Result<void>() : database_->write(changes);
}

void RaftStore::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto group = take_group();
    bool written = !stopped_;
    lock.unlock();
    if (written) {
      if (const auto outcome = write_group(group); !outcome) {
        fail(outcome.error());
        written = false;
      }
    }
    finish_group(std::move(group), written);
    lock.lock();
  }
}

void RaftStore::finish_group(std::deque<Task> group, bool written) {
  if (!written) {
    // libraft expects a cancelled write only while it is being closed.
    const bool last = group.back().last;
    unwritten_.insert(unwritten_.end(), std::make_move_iterator(group.begin()), std::make_move_iterator(group.end()));
    if (!last) return;
    group = std::exchange(unwritten_, {});
  }
  post_([group = std::make_shared<std::deque<Task>>(std::move(group)), written] {
    for (const auto& task : *group) {
      if (task.done) task.done(written ? 0 : RAFT_CANCELED);
    }
  });
}

}  // namespace vectorizer::consensus
