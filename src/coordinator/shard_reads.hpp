#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "fanout.hpp"
#include "outages.hpp"
#include "shard_routing.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::coordinator {

/// What a read needs beside its collection; owned by the data plane.
struct ReadPorts {
  Lane& lane;  ///< for calls to other nodes
  Outages& outages;
  std::chrono::milliseconds hedge_after;
  std::function<Result<ShardRouting>()> route;  ///< the collection as it is now
};

/// The shards of one collection for one read: asks the copies that may answer, one call per node, all at once; a shard
/// that one copy cannot answer is asked of the next. Where no copy answers, as in the seconds in which a shard is taken
/// over, the read may wait for one that does, within its deadline.
class ShardReads {
 public:
  ShardReads(ShardRouting routing, ReadPorts ports) : routing_(std::move(routing)), ports_(std::move(ports)) {}

  const ShardRouting& routing() const { return routing_; }
  const cluster::CollectionRecord& collection() const { return routing_.collection(); }

  /// @param wait for a copy that answers; only with a deadline
  /// @param question asks a peer for some shards, and is answered with a pair for each. It must own what it refers to:
  ///   a call that is given up goes on by itself.
  /// @return one result per shard, in their order
  template <typename Answer, typename Question>
  std::vector<Result<Answer>> ask(std::span<const ShardId> shards, const ReadFrom& from, bool wait,
                                  const Question& question) const {
    auto now = routing_;
    std::map<ShardId, Result<Answer>> answers;
    std::vector<ShardId> open(shards.begin(), shards.end());
    for (;;) {
      attempt<Answer>(now, open, from, question, answers);
      bool final_error = false;
      std::erase_if(open, [&](const ShardId& shard) {
        const auto& answer = answers.at(shard);
        if (answer) return true;
        final_error = final_error || !may_pass(answer.error().type);
        return false;
      });
      if (open.empty() || final_error || !wait || now.single() || !worth_waiting(open, from.deadline)) break;
      std::this_thread::sleep_for(kRetryInterval);
      auto later = ports_.route();
      // The shards of a collection never change; one that was dropped meanwhile has none to ask.
      if (!later || !later->has(open.front())) break;
      now = *std::move(later);
    }
    std::vector<Result<Answer>> in_order;
    in_order.reserve(shards.size());
    for (const auto& shard : shards) in_order.push_back(std::move(answers.at(shard)));
    return in_order;
  }

 private:
  static constexpr std::chrono::milliseconds kRetryInterval{50};

  /// Asks everybody once.
  template <typename Answer, typename Question>
  void attempt(const ShardRouting& now, std::span<const ShardId> shards, const ReadFrom& from, const Question& question,
               std::map<ShardId, Result<Answer>>& answers) const {
    const auto keep = [&](const ShardId& shard, Result<Answer> answer) {
      answers.insert_or_assign(shard, std::move(answer));
    };
    auto [targets, unreachable] = now.targets(from.consistency, !from.session.empty(), shards);
    for (auto& [shard, error] : unreachable) keep(shard, std::move(error));
    if (targets.empty()) return;
    std::vector<ShardId> asked;
    for (const auto& target : targets) asked.push_back(target.shard);
    if (from.deadline.passed()) {
      for (const auto& shard : asked) keep(shard, from.deadline.error());
    } else if (all_here(targets)) {
      for (auto& [shard, answer] : question(*targets.front().candidates.front().peer, asked)) {
        keep(shard, std::move(answer));
      }
    } else {
      const bool may_wait = !from.session.empty();
      auto found =
          Fanout<Answer>::ask(ports_.lane, std::move(targets), question, from.deadline, ports_.hedge_after, may_wait);
      for (std::size_t i = 0; i < asked.size(); ++i) keep(asked[i], std::move(found[i]));
    }
  }

  /// Whether another copy, or the same one, may answer in a moment.
  static bool may_pass(ErrorType type);
  bool worth_waiting(std::span<const ShardId> open, const Deadline& deadline) const;

  const ShardRouting routing_;
  const ReadPorts ports_;
};

}  // namespace vectorizer::coordinator
