#include "write_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <new>
#include <thread>

namespace vectorizer::shard {
namespace {

/// Occupies the queue with one writer until `others` more have queued up behind it.
std::vector<std::size_t> group_sizes_behind_a_slow_writer(std::size_t others, std::size_t ops_each) {
  std::vector<std::size_t> sizes;
  std::latch first_commits(1);
  std::latch release(1);
  WriteQueue queue([&](std::span<PendingWrite* const> group) {
    sizes.push_back(group.size());
    if (sizes.size() == 1) {
      first_commits.count_down();
      release.wait();
    }
    for (PendingWrite* write : group) {
      write->result = std::vector<WriteOutcome>(write->ops.size(), WriteOutcome::kApplied);
    }
  });
  std::vector<std::thread> threads;
  const std::vector<WriteOp> one(1);
  const std::vector<WriteOp> many(ops_each);
  threads.emplace_back([&] { EXPECT_EQ(queue.submit(one)->size(), 1U); });
  first_commits.wait();
  for (std::size_t i = 0; i < others; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(queue.submit(many)->size(), ops_each); });
  }
  while (queue.depth() < others + 1) std::this_thread::yield();
  release.count_down();
  for (auto& thread : threads) thread.join();
  return sizes;
}

TEST(WriteQueue, CommitsWhatGatheredMeanwhileAsOneGroup) {
  EXPECT_EQ(group_sizes_behind_a_slow_writer(8, 3), (std::vector<std::size_t>{1, 8}));
}

TEST(WriteQueue, BoundsAGroupByItsOperations) {
  const std::size_t ops = WriteQueue::kMaxGroupOps / 2;
  EXPECT_EQ(group_sizes_behind_a_slow_writer(5, ops), (std::vector<std::size_t>{1, 2, 2, 1}));
}

TEST(WriteQueue, LetsOneWriterAloneExceedTheBounds) {
  EXPECT_EQ(group_sizes_behind_a_slow_writer(2, WriteQueue::kMaxGroupOps + 1), (std::vector<std::size_t>{1, 1, 1}));
}

TEST(WriteQueue, GoesOnAfterACommitThatThrew) {
  bool fail = true;
  WriteQueue queue([&](std::span<PendingWrite* const>) {
    if (fail) throw std::bad_alloc();
  });
  const std::vector<WriteOp> one(1);

  const auto failed = queue.submit(one);
  fail = false;
  const auto after = queue.submit(one);

  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().type, ErrorType::kInternal);
  EXPECT_TRUE(after);
  EXPECT_EQ(queue.depth(), 0U);
}

TEST(WriteQueue, HandsEveryWriterItsOwnResultAndCommitsOneGroupAtATime) {
  std::atomic<int> committing{0};
  WriteQueue queue([&](std::span<PendingWrite* const> group) {
    EXPECT_EQ(committing.fetch_add(1), 0);
    for (PendingWrite* write : group) {
      write->result = Error{ErrorType::kInternal, write->ops.front().id.to_json()};
    }
    --committing;
  });
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&queue, thread] {
      for (std::uint64_t i = 0; i < 200; ++i) {
        WriteOp op;
        op.id = PointId(thread * 1000 + i);
        const auto result = queue.submit(std::span(&op, 1));
        ASSERT_FALSE(result);
        ASSERT_EQ(result.error().message, op.id.to_json());
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace vectorizer::shard
