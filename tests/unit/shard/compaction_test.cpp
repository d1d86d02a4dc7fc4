#include "compaction.hpp"

#include <algorithm>
#include <map>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 8;

std::vector<WriteOp> points(std::mt19937& random, std::uint64_t first, std::uint64_t last) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = first; id < last; ++id) {
    ops.push_back(
        upsert(id, random_vector(random, kDimension), R"({"even":)" + std::string(id % 2 == 0 ? "true}" : "false}")));
  }
  return ops;
}

std::vector<WriteOp> erasures(std::uint64_t first, std::uint64_t last) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = first; id < last; ++id) ops.push_back(erase(id));
  return ops;
}

TEST(Compaction, GetsRidOfTombstonesPastTheThreshold) {
  std::mt19937 random(1);
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 200;
  write(shard.shard(), points(random, 0, 2000));
  write(shard.shard(), erasures(0, 390));
  shard.settle();
  EXPECT_EQ(shard->stats().tombstones, 390U);  // 19.5 %
  write(shard.shard(), erasures(390, 420));
  shard.settle();
  EXPECT_EQ(shard->stats().tombstones, 0U);
  EXPECT_EQ(shard->stats().vectors, 1580U);
  EXPECT_EQ(shard->stats().pending, 0U);
  EXPECT_EQ(*shard->count(filter_of(R"({"must":[{"key":"even","match":{"value":true}}]})")), 790U);
  shard.reopen();  // the new generation was saved
  EXPECT_EQ(shard->stats().pending, 0U);
  EXPECT_EQ(shard->stats().vectors, 1580U);
}

TEST(Compaction, FollowsTheWritesThatComeMeanwhileAndServesAllTheWhile) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 200;
  write(shard.shard(), points(random, 0, 3000));
  write(shard.shard(), erasures(0, 1000));
  shard.settle();
  ASSERT_EQ(shard->stats().tombstones, 0U);

  write(shard.shard(), erasures(1000, 2000));
  std::map<std::uint64_t, std::vector<float>> model;
  for (std::uint64_t id = 2000; id < 3000; ++id) model[id] = point_of(shard.shard(), id)->vector;
  int slices = 0;
  do {
    ++slices;
    shard->maintain();
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t id = 1000 + random() % 2500;
      if (random() % 3 == 0) {
        write(shard.shard(), {erase(id)});
        model.erase(id);
      } else {
        model[id] = random_vector(random, kDimension);
        write(shard.shard(), {upsert(id, model[id], R"({"even":true})")});
      }
    }
    ASSERT_EQ(*shard->count({}), model.size());
    SearchQuery query;
    query.vector = model.begin()->second;
    query.limit = 1;
    ASSERT_EQ(ids_of(*shard->search(query)), std::vector{PointId(model.begin()->first)});
  } while (shard->stats().tombstones > 500 && slices < 1000);
  EXPECT_LT(shard->stats().tombstones, 500U);  // it came to its end beside the writes
  EXPECT_GT(slices, 2);
  shard.settle();
  ASSERT_EQ(*shard->count({}), model.size());
  for (const auto& [id, vector] : model) {
    SearchQuery query;
    query.vector = vector;
    query.limit = 1;
    query.exact = true;
    ASSERT_EQ(ids_of(*shard->search(query)), std::vector{PointId(id)});
  }
}

TEST(Compaction, ReturnsTheMemoryWhenEverythingIsDeleted) {
  std::mt19937 random(1);
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 200;
  const auto empty = shard->stats();
  write(shard.shard(), points(random, 0, 1000));
  shard.settle();
  write(shard.shard(), erasures(0, 1000));
  shard.settle();
  const auto stats = shard->stats();
  EXPECT_EQ(stats.tombstones, 0U);
  EXPECT_EQ(stats.code_bytes, empty.code_bytes);
  EXPECT_EQ(stats.vector_bytes, empty.vector_bytes);
  EXPECT_LE(stats.graph_bytes, empty.graph_bytes);
  EXPECT_LE(stats.payload_bytes, empty.payload_bytes);
  EXPECT_FALSE(std::filesystem::exists(shard.index_file()));
  write(shard.shard(), points(random, 0, 10));
  EXPECT_EQ(*shard->count({}), 10U);
}

TEST(Compaction, AbandonedLeavesTheServingGenerationAsItWas) {
  MetricsRegistry registry;
  ShardMetrics metrics(registry);
  ShardOptions options;
  options.collection.dimension = kDimension;
  ShardState state(options, std::make_unique<testing::MemoryShardStore>(), metrics);
  state.generation = make_generation(options);
  state.rebuild_wanted = true;
  {
    Compaction compaction(state);
    EXPECT_FALSE(state.rebuild_wanted);
    EXPECT_TRUE(state.removal_log);
  }
  EXPECT_TRUE(state.rebuild_wanted);
  EXPECT_FALSE(state.removal_log);
}

TEST(Compaction, PutsANewQuantizationIntoEffect) {
  std::mt19937 random(1);
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 200;
  write(shard.shard(), points(random, 0, 500));
  shard.settle();
  CollectionConfig config = shard.options().collection;
  config.quantization = Quantization::kInt8;
  shard->reconfigure(config);
  EXPECT_TRUE(shard->maintain());
  shard.settle();
  EXPECT_EQ(shard->stats().vectors, 500U);
  shard.options().collection = config;
  shard.reopen();
  EXPECT_EQ(shard->stats().pending, 0U);  // saved with the new options
}

}  // namespace
}  // namespace vectorizer::shard
