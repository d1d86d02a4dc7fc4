#include "match_cursor.hpp"

#include <algorithm>
#include <atomic>
#include <map>

#include "forwarding_store.hpp"
#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

Filter red() {
  return filter_of(R"({"must":[{"key":"color","match":{"value":"red"}}]})");
}

TEST(MatchCursor, PagesAreTheTruthOfTheirMomentBesideEveryKindOfWrite) {
  std::mt19937 random(5);
  ShardFixture shard(1);
  std::map<std::uint64_t, bool> model;  // id -> red
  const auto set = [&](std::uint64_t id, bool is_red) {
    write(shard.shard(), {upsert(id, {1}, is_red ? R"({"color":"red"})" : R"({"color":"blue"})")});
    model[id] = is_red;
  };
  for (std::uint64_t id = 0; id < 2000; ++id) set(id, id % 3 != 0);
  for (int walk = 0; walk < 10; ++walk) {
    std::optional<PointId> after;
    for (;;) {
      const std::size_t limit = 1 + random() % 200;
      std::vector<PointId> wanted;
      for (auto it = after ? model.upper_bound(after->number()) : model.begin(); it != model.end(); ++it) {
        if (it->second && wanted.size() < limit) wanted.push_back(PointId(it->first));
      }
      const auto page = shard->matching(red(), after, limit);
      ASSERT_TRUE(page);
      ASSERT_EQ(*page, wanted);
      if (page->empty()) break;
      after = (*page)[random() % page->size()];  // a page need not be used up
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t id = random() % 2200;
        if (random() % 3 == 0) {
          write(shard.shard(), {erase(id)});
          model.erase(id);
        } else {
          set(id, random() % 2 == 0);
        }
      }
      if (random() % 10 == 0) shard.settle();  // which may swap the generation
    }
  }
}

/// Counts the points that are read one by one.
class CountingStore final : public ForwardingStore {
 public:
  explicit CountingStore(std::atomic<std::size_t>& reads) : reads_(reads) {}
  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override {
    ++reads_;
    return ForwardingStore::get(id);
  }

 private:
  std::atomic<std::size_t>& reads_;
};

TEST(MatchCursor, LooksAtEachMatchOnceHoweverManyPagesAreAskedFor) {
  std::atomic<std::size_t> reads{0};
  ShardFixture shard(1);
  shard.open(std::make_unique<CountingStore>(reads));
  constexpr std::uint64_t kPoints = 600;
  const std::string text(3000, 'x');  // too long to be kept in memory
  for (std::uint64_t id = 0; id < kPoints; ++id) {
    write(shard.shard(), {upsert(id, {1}, R"({"n":[1,2],"text":")" + text + R"("})")});
  }
  reads = 0;
  const Filter filter = filter_of(R"({"must":[{"key":"n","values_count":{"gte":2}}]})");
  std::optional<PointId> after;
  std::size_t deleted = 0;
  for (;;) {
    const auto page = shard->matching(filter, after, 20);
    ASSERT_TRUE(page);
    if (page->empty()) break;
    for (const PointId& id : *page) write(shard.shard(), {erase(id.number())});
    deleted += page->size();
    after = page->back();
  }
  EXPECT_EQ(deleted, kPoints);
  EXPECT_LE(reads, kPoints + 10);
}

TEST(MatchCursor, KeepsFewAndForgetsThemInTime) {
  MetricsRegistry registry;
  ShardMetrics metrics(registry);
  ShardOptions options;
  options.collection.dimension = 1;
  ShardState state(options, std::make_unique<ForwardingStore>(), metrics);
  state.generation = make_generation(options);
  for (std::uint64_t id = 0; id < 10; ++id) {
    const Slot slot = state.generation->index->add(std::vector<float>{1});
    state.generation->payloads->add(slot, PointId(id), R"({"color":"red"})");
    state.generation->table.append(PointId(id), id + 1, R"({"color":"red"})");
  }
  MatchCursors cursors(state);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Filter filter = filter_of(R"({"must":[{"key":"color","match":{"any":["red",)" + std::to_string(i) + "]}}]}");
    ASSERT_EQ(cursors.matching(filter, std::nullopt, 2)->size(), 2U);
  }
  EXPECT_EQ(cursors.kept(), MatchCursors::kMaxKept);
  cursors.forget_idle(std::chrono::steady_clock::now() + MatchCursors::kKeptFor * 2);
  EXPECT_EQ(cursors.kept(), 0U);
}

TEST(FilterKey, DiffersWhereFiltersDo) {
  const char* const filters[] = {
      R"({"must":[{"key":"a","match":{"value":1}}]})",
      R"({"must":[{"key":"a","match":{"value":"1"}}]})",
      R"({"must":[{"key":"a","match":{"value":true}}]})",
      R"({"must":[{"key":"a","match":{"value":null}}]})",
      R"({"must":[{"key":"a","match":{"value":1.5}}]})",
      R"({"must":[{"key":"a","match":{"any":[1,2]}}]})",
      R"({"must":[{"key":"a","match":{"except":[1]}}]})",
      R"({"must_not":[{"key":"a","match":{"value":1}}]})",
      R"({"should":[{"key":"a","match":{"value":1}}]})",
      R"({"must":[{"key":"a.b","match":{"value":1}}]})",
      R"({"must":[{"key":"\"a.b\"","match":{"value":1}}]})",
      R"({"must":[{"key":"a","range":{"gt":1}}]})",
      R"({"must":[{"key":"a","range":{"gte":1}}]})",
      R"({"must":[{"key":"a","exists":true}]})",
      R"({"must":[{"key":"a","exists":false}]})",
      R"({"must":[{"key":"a","values_count":{"gt":1}}]})",
      R"({"must":[{"has_id":[1]}]})",
      R"({"must":[{"has_id":["1"]}]})",
  };
  std::map<std::string, std::string> seen;
  for (const char* text : filters) {
    const auto [at, fresh] = seen.emplace(filter_key(filter_of(text)), text);
    EXPECT_TRUE(fresh) << text << " and " << at->second;
    EXPECT_EQ(filter_key(filter_of(text)), at->first);
  }
}

}  // namespace
}  // namespace vectorizer::shard
