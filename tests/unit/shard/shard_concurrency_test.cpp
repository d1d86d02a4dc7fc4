#include <algorithm>
#include <atomic>
#include <thread>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 4;
constexpr std::uint64_t kSteady = 300;

/// Point `id` sits at (id, 0, 0, version): its version never changes who is nearest along the first axis.
std::vector<float> place(std::uint64_t id, std::uint64_t version) {
  return {static_cast<float>(id), 0, 0, 1e-3F * static_cast<float>(version % 100)};
}

/// Writers keep updating points that always exist, others come and go; a searcher must never miss one of the former.
TEST(ShardConcurrency, ASearchNeverMissesAPointThatIsBeingUpdated) {
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 200;
  shard.options().compaction_threshold = 0.3;
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < kSteady; ++id) ops.push_back(upsert(id, place(id, 0), R"({"kind":"steady"})"));
  write(shard.shard(), ops);

  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (std::uint64_t writer = 0; writer < 3; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937 random(static_cast<std::uint32_t>(writer));
      for (std::uint64_t version = 1; version < 400; ++version) {
        const std::uint64_t id = random() % kSteady;
        const std::uint64_t guest = 10000 + random() % 50;
        std::vector<WriteOp> batch{
            upsert(id, place(id, version), R"({"kind":"steady"})"),
            version % 2 == 0 ? erase(guest) : upsert(guest, place(guest, version), R"({"kind":"guest"})")};
        if (!shard->write(batch)) ++failures;
        // What a writer was told is visible to it.
        if (!shard->get(std::vector{PointId(id)}, {})->front()) ++failures;
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) shard->maintain();
  });
  const Filter steady = filter_of(R"({"must":[{"key":"kind","match":{"value":"steady"}}]})");
  for (std::uint32_t searcher = 0; searcher < 2; ++searcher) {
    threads.emplace_back([&, searcher] {
      std::mt19937 random(100 + searcher);
      while (!stop) {
        const std::uint64_t id = random() % (kSteady - 5);
        SearchQuery query;
        query.vector = place(id, 0);
        query.limit = 3;
        query.exact = searcher == 0;
        if (searcher == 1) query.filter = steady;
        const auto found = shard->search(query);
        if (!found || found->size() != 3 || found->front().id != PointId(id)) ++failures;
        if (*shard->count(steady) != kSteady) ++failures;
        if (shard->matching(steady, {}, 1000)->size() != kSteady) ++failures;
      }
    });
  }
  for (int writer = 0; writer < 3; ++writer) threads[static_cast<std::size_t>(writer)].join();
  stop = true;
  for (std::size_t i = 3; i < threads.size(); ++i) threads[i].join();
  EXPECT_EQ(failures, 0);
  shard.settle();
  EXPECT_EQ(shard->stats().pending, 0U);
}

TEST(ShardConcurrency, WritersShareBatches) {
  ShardFixture shard(kDimension);
  shard.shard();
  std::vector<std::thread> threads;
  constexpr std::uint64_t kThreads = 8, kWrites = 200;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < kWrites; ++i) {
        write(shard.shard(), {upsert(thread * 1000 + i, place(i, 0))});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(shard->stats().sequence, kThreads * kWrites);
  EXPECT_LE(shard.disk().write_calls(), kThreads * kWrites);
  EXPECT_NE(shard.registry().expose().find("vectorizer_write_group_size_sum 1600"), std::string::npos);
}

}  // namespace
}  // namespace vectorizer::shard
