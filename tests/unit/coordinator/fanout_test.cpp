#include "fanout.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <set>

namespace vectorizer::coordinator {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// A node of which only the identity matters: the questions of these tests answer for it.
class NamedPeer final : public peer::Peer {
 public:
  explicit NamedPeer(std::string name) : id(std::move(name)) {}
  std::vector<peer::ShardWriteReply> write(std::vector<peer::ShardWrite>) override { return {}; }
  std::vector<peer::ShardSearchReply> search(std::span<const ShardId>, const SearchQuery&) override { return {}; }
  std::vector<peer::ShardReply<peer::ShardPoints>> get(std::span<const peer::ShardIds>, const Projection&,
                                                       const ReadFrom&) override {
    return {};
  }
  std::vector<peer::ShardReply<peer::ShardPage>> scroll(std::span<const ShardId>, const ScrollQuery&,
                                                        const ReadFrom&) override {
    return {};
  }
  std::vector<peer::ShardReply<std::uint64_t>> count(std::span<const ShardId>, const std::optional<Filter>&,
                                                     const ReadFrom&) override {
    return {};
  }
  Result<std::vector<PointId>> matching(const ShardId&, const Filter&, const std::optional<PointId>&,
                                        std::size_t) override {
    return std::vector<PointId>{};
  }
  Result<std::vector<peer::ShardReport>> report(std::span<const ShardId>) override {
    return std::vector<peer::ShardReport>{};
  }
  const NodeId id;
};

using Asked = Fanout<std::string>;

class FanoutTest : public ::testing::Test {
 protected:
  Target target(std::uint64_t shard, std::vector<NamedPeer*> peers) {
    Target target{ShardId(shard), {}};
    for (auto* peer : peers) target.candidates.push_back({peer->id, peer, peer == &here_});
    return target;
  }
  /// "<node>/<shard>" from every node that is not in `broken`.
  Asked::Question question() {
    return [this](peer::Peer& peer, std::span<const ShardId> shards) {
      const auto& node = dynamic_cast<NamedPeer&>(peer).id;
      {
        const std::lock_guard lock(mutex_);
        ++calls_[node];
      }
      Asked::Answers answers;
      for (const auto& shard : shards) {
        if (broken_.count(node) != 0) {
          answers.emplace_back(shard, Error{ErrorType::kNodeUnreachable, "cannot reach " + node.value()});
        } else {
          answers.emplace_back(shard, node.value() + "/" + std::to_string(shard.value()));
        }
      }
      return answers;
    };
  }
  int calls(const NamedPeer& peer) {
    const std::lock_guard lock(mutex_);
    return calls_[peer.id];
  }

  NamedPeer here_{"here"}, a_{"a"}, b_{"b"};
  std::set<NodeId> broken_;
  std::mutex mutex_;
  std::map<NodeId, int> calls_;
  Lane lane_{"fanout", 4, 64};
  const Deadline deadline_{Deadline::Clock::now(), 10000};
};

TEST_F(FanoutTest, AsksEachNodeOnceAndAnswersInOrder) {
  const auto answers = Asked::ask(lane_, {target(1, {&a_}), target(2, {&here_}), target(3, {&a_}), target(4, {&b_})},
                                  question(), deadline_, milliseconds(5000));
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(*answers[0], "a/1");
  EXPECT_EQ(*answers[1], "here/2");
  EXPECT_EQ(*answers[2], "a/3");
  EXPECT_EQ(*answers[3], "b/4");
  EXPECT_EQ(calls(a_), 1);
  EXPECT_EQ(calls(here_), 1);
}

TEST_F(FanoutTest, ABrokenNodesShardsAreAskedOfTheirNextReplica) {
  broken_ = {a_.id};
  const auto answers = Asked::ask(lane_, {target(1, {&a_, &b_}), target(2, {&a_, &here_}), target(3, {&a_})},
                                  question(), deadline_, milliseconds(5000));
  EXPECT_EQ(*answers[0], "b/1");
  EXPECT_EQ(*answers[1], "here/2");
  ASSERT_FALSE(answers[2]);
  EXPECT_THAT(answers[2].error().message, HasSubstr("cannot reach a"));
}

TEST_F(FanoutTest, ABadQuestionIsNotAskedAgain) {
  const auto refuse = [](peer::Peer&, std::span<const ShardId> shards) {
    Asked::Answers answers;
    for (const auto& shard : shards) answers.emplace_back(shard, Error{ErrorType::kValidation, "no"});
    return answers;
  };
  const auto answers = Asked::ask(lane_, {target(1, {&a_, &b_})}, refuse, deadline_, milliseconds(5000));
  ASSERT_FALSE(answers[0]);
  EXPECT_EQ(answers[0].error().type, ErrorType::kValidation);
  EXPECT_EQ(calls(b_), 0);
}

TEST_F(FanoutTest, ASlowNodeIsHedgedAndItsLateAnswerIgnored) {
  std::promise<void> release;
  auto released = release.get_future().share();
  const auto inner = question();
  const auto slow = [inner, released](peer::Peer& peer, std::span<const ShardId> shards) {
    if (dynamic_cast<NamedPeer&>(peer).id == NodeId("a")) released.wait();
    return inner(peer, shards);
  };
  const auto answers = Asked::ask(lane_, {target(1, {&a_, &b_}), target(2, {&b_})}, slow, deadline_, milliseconds(20));
  EXPECT_EQ(*answers[0], "b/1");
  EXPECT_EQ(*answers[1], "b/2");
  release.set_value();
  lane_.stop();
  EXPECT_EQ(calls(a_), 1);
}

TEST_F(FanoutTest, ThisNodeIsHedgedTooWhereItMayWait) {
  std::promise<void> release;
  auto released = release.get_future().share();
  const auto inner = question();
  const auto waits = [inner, released](peer::Peer& peer, std::span<const ShardId> shards) {
    if (dynamic_cast<NamedPeer&>(peer).id == NodeId("here")) released.wait();
    return inner(peer, shards);
  };
  const auto answers = Asked::ask(lane_, {target(1, {&here_, &a_})}, waits, deadline_, milliseconds(20), true);
  EXPECT_EQ(*answers[0], "a/1");
  release.set_value();
  lane_.stop();
  EXPECT_EQ(calls(here_), 1);
}

TEST_F(FanoutTest, TheDeadlineEndsTheWait) {
  std::promise<void> release;
  auto released = release.get_future().share();
  const auto stuck = [released](peer::Peer&, std::span<const ShardId> shards) {
    released.wait();
    Asked::Answers answers;
    for (const auto& shard : shards) answers.emplace_back(shard, std::string("late"));
    return answers;
  };
  const auto answers =
      Asked::ask(lane_, {target(1, {&a_})}, stuck, Deadline(Deadline::Clock::now(), 30), milliseconds(5));
  ASSERT_FALSE(answers[0]);
  EXPECT_EQ(answers[0].error().type, ErrorType::kTimeout);
  release.set_value();
}

TEST_F(FanoutTest, ManyQuestionsAtOnce) {
  broken_ = {b_.id};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto answers = Asked::ask(lane_, {target(1, {&b_, &a_}), target(2, {&a_}), target(3, {&here_})},
                                        question(), deadline_, milliseconds(1));
        if (*answers[0] != "a/1" || *answers[1] != "a/2" || *answers[2] != "here/3") ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vectorizer::coordinator
