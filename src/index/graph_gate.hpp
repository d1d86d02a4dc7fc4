#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <shared_mutex>

namespace vectorizer::index {

/// A shared mutex whose waiting writer is not passed by readers for ever, as glibc's would be.
class FairSharedMutex {
 public:
  void lock() {
    const std::lock_guard turn(turnstile_);
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    const std::lock_guard turn(turnstile_);
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex turnstile_;
  std::shared_mutex mutex_;
};

/// Who may touch a graph at the same time. Walks and inserts mix: while anybody inserts, a walk copies the links of a
/// node under the node's lock; while nobody does, it spares itself the locks. Only moving the arrays keeps everybody
/// out, and only saving keeps inserts out.
class GraphGate {
 public:
  class Walk {
   public:
    explicit Walk(GraphGate& gate) : gate_(gate) {
      gate_.arrays_.lock_shared();
      gate_.plain_walks_.fetch_add(1);
      // In this order, and the other way round in Inserting: one of the two sees the other.
      locking_ = gate_.inserting_.load();
      if (locking_) gate_.leave_plain();
    }
    ~Walk() {
      if (!locking_) gate_.leave_plain();
      gate_.arrays_.unlock_shared();
    }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;
    /// Inserts go on beside it.
    bool locking() const { return locking_; }

   private:
    GraphGate& gate_;
    bool locking_;
  };

  /// Somebody inserts, node by node. Waits for the walks that do not lock nodes, and holds nobody up meanwhile.
  class Inserting {
   public:
    explicit Inserting(GraphGate& gate) : gate_(gate) {
      {
        const std::lock_guard lock(gate_.mutex_);
        ++gate_.inserters_;
        gate_.inserting_.store(true);
      }
      for (std::size_t plain = gate_.plain_walks_.load(); plain != 0; plain = gate_.plain_walks_.load()) {
        gate_.plain_walks_.wait(plain);
      }
    }
    /// Walks go on locking nodes until `rest`, so that the next slice does not wait again.
    ~Inserting() {
      const std::lock_guard lock(gate_.mutex_);
      --gate_.inserters_;
    }
    Inserting(const Inserting&) = delete;
    Inserting& operator=(const Inserting&) = delete;

   private:
    GraphGate& gate_;
  };

  /// One node is being inserted.
  class Node {
   public:
    explicit Node(GraphGate& gate) : nodes_(gate.nodes_), arrays_(gate.arrays_) {}

   private:
    std::shared_lock<FairSharedMutex> nodes_;
    std::shared_lock<FairSharedMutex> arrays_;
  };

  /// Nothing waits to be inserted: walks need no locks until somebody inserts again.
  void rest() {
    const std::lock_guard lock(mutex_);
    if (inserters_ == 0) inserting_.store(false);
  }
  /// Nobody else is inside.
  std::unique_lock<FairSharedMutex> move_arrays() { return std::unique_lock(arrays_); }
  /// No node is half inserted, and none is begun.
  std::unique_lock<FairSharedMutex> pause_inserts() { return std::unique_lock(nodes_); }
  bool inserting() const { return inserting_.load(); }

 private:
  void leave_plain() {
    plain_walks_.fetch_sub(1);
    if (inserting_.load()) plain_walks_.notify_all();
  }

  FairSharedMutex nodes_;  // taken before arrays_
  FairSharedMutex arrays_;
  std::atomic<bool> inserting_{false};
  std::atomic<std::size_t> plain_walks_{0};  // that do not lock nodes
  std::mutex mutex_;
  std::size_t inserters_ = 0;  // guarded by mutex_
};

}  // namespace vectorizer::index
