#include <future>
#include <latch>
#include <thread>

#include "forwarding_store.hpp"
#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

/// Once armed, the next batch is in the store, and its writer waits for the disk until it is released.
class SlowDisk final : public ForwardingStore {
 public:
  struct Sync {
    std::atomic<bool> armed{false};
    std::latch begun{1}, finished{1};
  };
  explicit SlowDisk(Sync& sync) : sync_(sync) {}
  Result<void> write(std::span<const storage::StoredWrite> writes) override {
    auto result = ForwardingStore::write(writes);
    if (sync_.armed.exchange(false)) {
      sync_.begun.count_down();
      sync_.finished.wait();
    }
    return result;
  }

 private:
  Sync& sync_;
};

class SearchBesideSync : public ::testing::TestWithParam<Quantization> {};

TEST_P(SearchBesideSync, NeverWaitsForTheDiskOfAWriter) {
  SlowDisk::Sync sync;
  ShardFixture shard(2);
  shard.options().collection.quantization = GetParam();
  shard.open(std::make_unique<SlowDisk>(sync));
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 100; ++id) ops.push_back(upsert(id, {static_cast<float>(id), 0}, R"({"a":1})"));
  write(shard.shard(), ops);

  sync.armed = true;
  std::thread writer([&] { write(shard.shard(), {upsert(0, {50.5F, 0}), erase(1), upsert(3, {3, 0}, R"({"a":2})")}); });
  sync.begun.wait();
  auto search = std::async(std::launch::async, [&] {
    SearchQuery query;
    query.vector = {0, 0};
    query.limit = 5;
    query.projection.with_vector = true;
    return shard->search(query);
  });
  const bool in_time = search.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  sync.finished.count_down();
  writer.join();
  ASSERT_TRUE(in_time);
  const auto found = search.get();
  ASSERT_TRUE(found) << found.error().message;
  // What is in the store already counts where the store is asked, and its places are filled.
  EXPECT_EQ(ids_of(*found), (std::vector{PointId(2), PointId(3), PointId(4), PointId(5), PointId(6)}));
  EXPECT_EQ((*found)[1].payload, R"({"a":2})");
  for (const auto& hit : *found) EXPECT_EQ(hit.vector[0], hit.score);
}

INSTANTIATE_TEST_SUITE_P(Kept, SearchBesideSync, ::testing::Values(Quantization::kNone, Quantization::kInt8),
                         [](const auto& test) { return std::string(quantization_name(test.param)); });

}  // namespace
}  // namespace vectorizer::shard
