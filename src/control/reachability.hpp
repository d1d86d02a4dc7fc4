#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <vector>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/base/periodic.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::control {

/// Which members this node cannot reach, by asking each of them something small again and again. A node may be alive to
/// the leader of the metadata, because its beats arrive there, and be of no use to those who want to write to it.
///
/// One question per member at a time; a member is unreachable once it has answered none for kUnreachableAfter, until it
/// answers one. Thread-safe.
class Reachability {
 public:
  static constexpr std::chrono::milliseconds kInterval{500};
  static constexpr std::chrono::milliseconds kUnreachableAfter{1500};

  using Members = std::function<std::vector<NodeId>()>;  ///< the others
  using Ask = std::function<bool(const NodeId&)>;        ///< blocks for as long as a call may

  Reachability(Members members, Ask ask, BootClock clock = boot_now)
      : members_(std::move(members)), ask_(std::move(ask)), clock_(std::move(clock)) {}
  ~Reachability() { stop(); }

  void start();
  void stop();
  std::vector<NodeId> unreachable() const;

  /// What start() does every kInterval; does not block.
  void round();
  /// Waits for the questions that are under way.
  void wait();

 private:
  struct Member {
    BootTime answered{0};  ///< or first seen as a member
    std::future<void> question;
  };

  const Members members_;
  const Ask ask_;
  const BootClock clock_;
  mutable std::mutex mutex_;
  std::map<NodeId, Member> seen_;  // guarded by mutex_
  Periodic thread_;
};

}  // namespace vectorizer::control
