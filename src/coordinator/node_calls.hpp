#pragma once

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::coordinator {

/// Its address is not known, or it is no member.
inline Error no_client(const NodeId& node) {
  return Error{ErrorType::kNodeUnreachable, fmt::format("Failed to get client for node '{}'", node.value())};
}

/// One question to several nodes at once, each answer waited for up to a bound: a node that hangs costs the wait, never
/// the answers of the others. This node is asked on the calling thread. A call that is given up goes on by itself, so a
/// question owns what it refers to. Thread-safe.
class NodeCalls {
 public:
  /// @param threads calls to other nodes at the same time; 0 on a single node, which has no others
  NodeCalls(NodeId self, std::size_t threads) : self_(std::move(self)), lane_("node-calls", threads, kQueue) {}

  template <typename Answer>
  std::map<NodeId, Result<Answer>> ask(const std::vector<NodeId>& nodes, std::chrono::milliseconds wait,
                                       std::function<Result<Answer>(const NodeId&)> question) {
    auto round = std::make_shared<Round<Answer>>();
    bool here = false;
    for (const auto& node : nodes) {
      if (node == self_) {
        here = true;
        continue;
      }
      if (!begin(node)) {
        round->put(node, hangs(node));
        continue;
      }
      round->expect_one();
      const bool posted = lane_.try_post([this, round, node, question] {
        auto answer = question(node);
        end(node);
        round->take(node, std::move(answer));
      });
      if (posted) continue;
      end(node);
      round->take(node, Error{ErrorType::kOverloaded, "too many calls to other nodes wait"});
    }
    if (here) round->put(self_, question(self_));
    return round->wait(nodes, std::chrono::steady_clock::now() + wait);
  }

 private:
  static constexpr std::size_t kQueue = 256;
  static constexpr int kMaxPerNode = 4;

  template <typename Answer>
  struct Round {
    std::mutex mutex;
    std::condition_variable answered;
    std::map<NodeId, Result<Answer>> answers;  // guarded by mutex
    std::size_t open = 0;                      // likewise: calls that have not returned

    void expect_one() {
      const std::lock_guard lock(mutex);
      ++open;
    }
    void put(const NodeId& node, Result<Answer> answer) {
      const std::lock_guard lock(mutex);
      answers.emplace(node, std::move(answer));
    }
    void take(const NodeId& node, Result<Answer> answer) {
      const std::lock_guard lock(mutex);
      answers.emplace(node, std::move(answer));
      if (--open == 0) answered.notify_all();
    }
    std::map<NodeId, Result<Answer>> wait(const std::vector<NodeId>& nodes,
                                          std::chrono::steady_clock::time_point until) {
      std::unique_lock lock(mutex);
      answered.wait_until(lock, until, [this] { return open == 0; });
      auto all = answers;
      for (const auto& node : nodes) all.emplace(node, hangs(node));
      return all;
    }
  };

  static Error hangs(const NodeId& node) {
    return Error{ErrorType::kNodeUnreachable, fmt::format("node '{}' does not answer", node.value())}.with(
        "node", node.value());
  }
  /// False while as many calls as one node may hold up have not returned.
  bool begin(const NodeId& node) {
    const std::lock_guard lock(mutex_);
    auto& running = running_[node];
    if (running >= kMaxPerNode) return false;
    ++running;
    return true;
  }
  void end(const NodeId& node) {
    const std::lock_guard lock(mutex_);
    --running_[node];
  }

  const NodeId self_;
  std::mutex mutex_;
  std::map<NodeId, int> running_;  // guarded by mutex_
  Lane lane_;                      // last: its threads end before what they use
};

}  // namespace vectorizer::coordinator
