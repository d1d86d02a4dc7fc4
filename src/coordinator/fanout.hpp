#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "vectorizer/base/lane.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/model/deadline.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// A node that may answer for a shard.
struct Candidate {
  NodeId node;
  peer::Peer* peer = nullptr;
  bool local = false;
};
/// A shard and who may answer for it, the best first; not empty.
struct Target {
  ShardId shard;
  std::vector<Candidate> candidates;
};

/// Whether this node alone may answer, so that nobody else needs to be asked.
bool all_here(std::span<const Target> targets);
/// Whether another replica may do better than the one that answered with this.
bool another_may_answer(ErrorType type);

/// One question to many shards: one call per node, all nodes at once; a shard that cannot be answered by one node is
/// asked of its next candidate, and so is one whose node is slow (hedging, Dean and Barroso 2013: "The Tail at Scale").
/// The first answer counts.
///
/// Calls to this node run on the calling thread, unless they may wait; to others on the lane. A call that is given up
/// goes on there by itself, so the question must own what it refers to.
template <typename Answer>
class Fanout {
 public:
  using Answers = std::vector<std::pair<ShardId, Result<Answer>>>;
  using Question = std::function<Answers(peer::Peer&, std::span<const ShardId>)>;

  /// @param may_wait this node, too, may be slow with its answer
  /// @return one result per target, in their order; kTimeout where the deadline passed.
  static std::vector<Result<Answer>> ask(Lane& lane, std::vector<Target> targets, Question question,
                                         const Deadline& deadline, std::chrono::milliseconds hedge_after,
                                         bool may_wait = false) {
    auto call = std::make_shared<Call>(lane, std::move(targets), std::move(question), may_wait);
    call->begin();
    return call->wait(deadline, hedge_after);
  }

 private:
  class Call : public std::enable_shared_from_this<Call> {
   public:
    Call(Lane& lane, std::vector<Target> targets, Question question, bool may_wait)
        : lane_(lane), question_(std::move(question)), may_wait_(may_wait), open_(targets.size()) {
      for (auto& target : targets) {
        positions_.emplace(target.shard, states_.size());
        states_.push_back({std::move(target), 0, 0, std::nullopt, std::nullopt});
      }
    }

    void begin() {
      std::vector<std::size_t> all(states_.size());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
      std::unique_lock lock(mutex_);
      send(all, lock);
    }

    std::vector<Result<Answer>> wait(const Deadline& deadline, std::chrono::milliseconds hedge_after) {
      std::unique_lock lock(mutex_);
      const auto hedge_at = std::min(Deadline::Clock::now() + hedge_after, deadline.at());
      const auto done = [this] { return open_ == 0; };
      if (!answered_.wait_until(lock, hedge_at, done)) {
        std::vector<std::size_t> slow;
        for (std::size_t i = 0; i < states_.size(); ++i) {
          if (!states_[i].answer && states_[i].next < states_[i].target.candidates.size()) slow.push_back(i);
        }
        send(slow, lock);
        if (deadline.at() == Deadline::Clock::time_point::max()) {
          answered_.wait(lock, done);
        } else {
          answered_.wait_until(lock, deadline.at(), done);
        }
      }
      std::vector<Result<Answer>> answers;
      answers.reserve(states_.size());
      for (auto& state : states_) {
        answers.push_back(state.answer ? std::move(*state.answer) : Result<Answer>(deadline.error()));
        state.answer = Result<Answer>(Error{});  // what still comes is too late
      }
      return answers;
    }

   private:
    struct State {
      Target target;
      std::size_t next;         // candidate that is asked next
      std::size_t outstanding;  // calls that have not returned
      std::optional<Result<Answer>> answer;
      std::optional<Error> first_error;
    };
    struct Group {
      Candidate candidate;
      std::vector<ShardId> shards;
    };

    /// Asks the next candidate of each of `positions`. Needs the lock, which it gives up while it calls.
    void send(const std::vector<std::size_t>& positions, std::unique_lock<std::mutex>& lock) {
      std::map<NodeId, Group> groups;
      for (const auto position : positions) {
        auto& state = states_[position];
        const auto& candidate = state.target.candidates[state.next++];
        ++state.outstanding;
        auto& group = groups[candidate.node];
        group.candidate = candidate;
        group.shards.push_back(state.target.shard);
      }
      lock.unlock();
      std::vector<Group> here;
      for (auto& item : groups) {  // clang 14 captures no structured bindings
        auto& group = item.second;
        if (group.candidate.local && !may_wait_) {
          here.push_back(std::move(group));
          continue;
        }
        auto self = this->shared_from_this();
        const auto task = [self, group] { self->run(group); };
        if (!lane_.try_post(task)) here.push_back(std::move(group));
      }
      for (const auto& group : here) run(group);
      lock.lock();
    }

    void run(const Group& group) {
      auto answers = question_(*group.candidate.peer, group.shards);
      std::unique_lock lock(mutex_);
      std::vector<std::size_t> again;
      for (auto& [shard, answer] : answers) {
        const auto position = positions_.at(shard);
        if (take(states_[position], std::move(answer))) again.push_back(position);
      }
      if (!again.empty()) send(again, lock);
      if (open_ == 0) answered_.notify_all();
    }

    /// True if the next candidate must be asked. Needs the lock.
    bool take(State& state, Result<Answer> answer) {
      --state.outstanding;
      if (state.answer) return false;
      if (answer || !another_may_answer(answer.error().type)) {
        state.answer = std::move(answer);
        --open_;
        return false;
      }
      if (!state.first_error) state.first_error = std::move(answer.error());
      if (state.next < state.target.candidates.size()) return true;
      if (state.outstanding == 0) {
        state.answer = Result<Answer>(*state.first_error);
        --open_;
      }
      return false;
    }

    Lane& lane_;
    const Question question_;
    const bool may_wait_;
    std::map<ShardId, std::size_t> positions_;  // constant after construction
    std::mutex mutex_;
    std::condition_variable answered_;  // open_ is 0
    std::vector<State> states_;         // guarded by mutex_
    std::size_t open_;                  // likewise: states without an answer
  };
};

}  // namespace vectorizer::coordinator
