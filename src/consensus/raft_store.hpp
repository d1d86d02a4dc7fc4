#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "raft_c.hpp"
#include "raft_database.hpp"
#include "raft_records.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::consensus {

/// What a start finds. Frees what was not handed on.
struct LoadedLog {
  HardState state;
  OwnedSnapshot snapshot;
  raft_index first = 1;
  std::vector<raft_entry> entries;

  LoadedLog() = default;
  LoadedLog(LoadedLog&&) = default;
  LoadedLog& operator=(LoadedLog&&) = default;
  ~LoadedLog();
};

/// Term, vote, log and snapshot of one member, durable. Writes of the log and of snapshots go through one worker in the
/// order of the calls, in groups of one synced batch each: what is found after a crash is what a prefix of the calls
/// wrote, and holds every call that was reported done. Term and vote are written by the caller, synced.
///
/// Stops for good at the first write that fails: later ones are not tried, and are reported cancelled by `drain`.
/// All calls but `failure` and `checkpoint` come from the loop's thread, which `post` leads back to.
class RaftStore {
 public:
  using Post = std::function<void(std::function<void()>)>;
  using Done = std::function<void(int)>;  ///< 0, or RAFT_CANCELED

  static Result<std::unique_ptr<RaftStore>> open(const std::filesystem::path& directory, raft_id owner);
  static Result<std::unique_ptr<RaftStore>> over(std::unique_ptr<RaftDatabase> database, raft_id owner);
  ~RaftStore();

  /// Nothing was ever written but whose it is.
  Result<bool> empty() const;
  /// Makes an empty store that of the first member of a cluster: term 1, and a snapshot of `state` at index 2.
  Result<void> bootstrap(const raft_configuration& configuration, std::string_view state);

  /// Before anything below. `failed` is called once, on the loop.
  void start(Post post, std::function<void(const Error&)> failed);
  Result<LoadedLog> load();
  Result<void> set_term(raft_term term);
  Result<void> set_vote(raft_id vote);
  void append(std::span<const raft_entry> entries, Done done);
  /// Drops the entries from `index` on.
  void truncate(raft_index index);
  /// A trailing of 0 replaces the whole log by the snapshot; else entries further than that behind it go.
  void put_snapshot(const raft_snapshot& snapshot, unsigned trailing, Done done);
  Result<OwnedSnapshot> snapshot() const;
  /// Calls `done` when everything before it is written, or cancelled.
  void drain(std::function<void()> done);
  /// As if the process had died: nothing that is not being written this moment is written any more.
  void abandon();

  /// A copy of everything that is written by now, for a snapshot of the node. Any thread.
  Result<void> checkpoint(const std::filesystem::path& directory) const { return database_->checkpoint(directory); }

  std::optional<Error> failure() const;
  void fail(const Error& error);

 private:
  struct Task {
    std::vector<RaftChange> changes;
    Done done;
    bool last = false;  // of drain
  };
  explicit RaftStore(std::unique_ptr<RaftDatabase> database) : database_(std::move(database)) {}
  Result<void> write_state(const HardState& state);
  void queue(Task task);
  void work();
  std::deque<Task> take_group();
  Result<void> write_group(const std::deque<Task>& group);
  void finish_group(std::deque<Task> group, bool written);

  const std::unique_ptr<RaftDatabase> database_;
  Post post_;
  std::function<void(const Error&)> failed_;

  // Of the loop's thread.
  HardState state_;
  raft_index first_ = 1;
  raft_index next_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable wake_;  // a task was queued, or stopping_ was set
  std::deque<Task> queue_;        // bounded by libraft: it holds back entries that are not yet stored
  bool stopping_ = false;
  bool stopped_ = false;  // by a failure, or abandoned
  std::optional<Error> failure_;
  std::deque<Task> unwritten_;  // of the worker: reported by the last task
  std::thread worker_;
};

}  // namespace vectorizer::consensus
