#include "upkeep.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "forwarding_store.hpp"
#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 8;
using namespace std::chrono_literals;

std::vector<WriteOp> points(std::uint64_t first, std::uint64_t last) {
  std::mt19937 random(1);
  std::vector<WriteOp> ops;
  for (std::uint64_t id = first; id < last; ++id) ops.push_back(upsert(id, random_vector(random, kDimension)));
  return ops;
}
std::vector<WriteOp> erasures(std::uint64_t first, std::uint64_t last) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = first; id < last; ++id) ops.push_back(erase(id));
  return ops;
}

/// An index whose graph has broken.
class BrokenIndex final : public index::VectorIndex {
 public:
  explicit BrokenIndex(std::unique_ptr<index::VectorIndex> inner) : inner_(std::move(inner)) {}
  Slot add(std::span<const float> vector) override { return inner_->add(vector); }
  void remove(Slot slot) override { inner_->remove(slot); }
  bool removed(Slot slot) const override { return inner_->removed(slot); }
  bool keeps_vectors() const override { return inner_->keeps_vectors(); }
  std::vector<index::Neighbor> search(std::span<const float> query, const index::SearchParams& params) const override {
    return inner_->search(query, params);
  }
  std::vector<index::Neighbor> search_slots(std::span<const float> query, const index::SearchParams& params,
                                            std::span<const Slot> slots) const override {
    return inner_->search_slots(query, params, slots);
  }
  std::size_t index_pending(std::size_t) override { return 0; }
  index::IndexStats stats() const override {
    auto stats = inner_->stats();
    stats.failed = true;
    return stats;
  }
  Result<std::size_t> save(const std::filesystem::path& file, std::string_view extra) const override {
    return inner_->save(file, extra);
  }

 private:
  std::unique_ptr<index::VectorIndex> inner_;
};

/// The state of a shard with 500 points and no front.
class UpkeepTest : public ::testing::Test {
 protected:
  void make(std::unique_ptr<storage::ShardStore> store) {
    ShardOptions options;
    options.collection.dimension = kDimension;
    options.collection.hnsw.m = 8;
    options.directory = directory_.path();
    options.graph_threshold = 100;
    state_ = std::make_unique<ShardState>(options, std::move(store), metrics_);
    state_->generation = make_generation(options);
    std::vector<storage::StoredWrite> writes;
    for (const WriteOp& op : points(0, 500)) {
      writes.push_back({writes.size() + 1, false, Point{op.id, op.vector, {}}});
      const Slot slot = state_->generation->index->add(op.vector);
      state_->generation->payloads->add(slot, op.id, {});
      state_->generation->table.append(op.id, writes.size(), {});
    }
    ASSERT_TRUE(state_->store->write(writes));
  }

  ScratchDirectory directory_;
  MetricsRegistry registry_;
  ShardMetrics metrics_{registry_};
  std::unique_ptr<ShardState> state_;
};

TEST_F(UpkeepTest, AGraphThatBrokeIsBuiltAnew) {
  make(std::make_unique<ForwardingStore>());
  state_->generation->index = std::make_unique<BrokenIndex>(std::move(state_->generation->index));
  ASSERT_EQ(state_->current()->index->stats().pending, 500U);
  Upkeep upkeep(*state_);
  int slices = 0;
  while (upkeep.run()) ASSERT_LT(++slices, 100);
  EXPECT_FALSE(state_->current()->index->stats().failed);
  EXPECT_EQ(state_->current()->index->stats().pending, 0U);
  EXPECT_EQ(state_->current()->index->stats().live, 500U);
}

/// Cannot read point 7 while `damaged`.
class StoreWithADamagedPoint final : public ForwardingStore {
 public:
  explicit StoreWithADamagedPoint(const std::atomic<bool>& damaged, std::atomic<int>& failures)
      : damaged_(damaged), failures_(failures) {}
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    if (damaged_ && std::find(ids.begin(), ids.end(), PointId(7)) != ids.end()) {
      ++failures_;
      return Error{ErrorType::kInternal, "point 7 is damaged"};
    }
    return ForwardingStore::get_many(ids);
  }

 private:
  const std::atomic<bool>& damaged_;
  std::atomic<int>& failures_;
};

TEST_F(UpkeepTest, APointThatCannotBeReadPutsCompactionOffForLongerAndLonger) {
  std::atomic<bool> damaged{true};
  std::atomic<int> failures{0};
  make(std::make_unique<StoreWithADamagedPoint>(damaged, failures));
  Upkeep upkeep(*state_);
  auto now = Upkeep::Clock::now();
  while (upkeep.run(now)) {
  }
  EXPECT_EQ(upkeep.problem(), "");
  state_->rebuild_wanted = true;
  for (const auto end = now + 24h; now < end; now += 1s) upkeep.run(now);
  EXPECT_GE(failures, 24 * 6);       // every ten minutes,
  EXPECT_LE(failures, 24 * 6 + 10);  // and not every ten seconds
  EXPECT_NE(upkeep.problem().find("point 7 is damaged"), std::string::npos);
  EXPECT_EQ(state_->current()->table.live_count(), 500U);
  damaged = false;
  now += Backoff::kLongest;
  while (upkeep.run(now)) {
  }
  EXPECT_EQ(upkeep.problem(), "");
  EXPECT_FALSE(state_->rebuild_wanted);
}

/// Its disk is nearly full while `full`.
class StoreOnAFullDisk final : public ForwardingStore {
 public:
  explicit StoreOnAFullDisk(const std::atomic<bool>& full) : full_(full) {}
  bool has_room_for(std::uint64_t bytes) const override { return !full_ || bytes == 0; }

 private:
  const std::atomic<bool>& full_;
};

TEST(Upkeep, ASavedIndexDoesNotFillTheDiskFurther) {
  std::atomic<bool> full{false};
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 100;
  shard.open(std::make_unique<StoreOnAFullDisk>(full));
  write(shard.shard(), points(0, 300));
  shard.settle();
  ASSERT_TRUE(shard->save());
  const auto contents = [&] {
    std::ifstream file(shard.index_file(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string old = contents();
  ASSERT_FALSE(old.empty());
  full = true;
  write(shard.shard(), points(300, 400));
  shard.settle();
  const auto saved = shard->save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().type, ErrorType::kStorageFull);
  EXPECT_NE(shard->stats().problem, "");
  EXPECT_EQ(contents(), old);
  for (const auto& entry : std::filesystem::directory_iterator(shard.options().directory)) {
    EXPECT_EQ(entry.path(), shard.index_file());
  }
  full = false;
  EXPECT_TRUE(shard->save());
  EXPECT_NE(contents(), old);
}

TEST(Upkeep, AnUnfinishedFileOfAKilledProcessIsRemovedOnOpening) {
  ShardFixture shard(kDimension);
  std::filesystem::create_directories(shard.options().directory);
  const auto left = shard.options().directory / "index.vzi.new";
  std::ofstream(left) << "half";
  shard.shard();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST(Upkeep, ManyThreadsBuildOneGraph) {
  ShardFixture shard(kDimension);
  shard.options().graph_threshold = 100;
  write(shard.shard(), points(0, 3000));
  const auto work = [&] {
    for (int idle = 0; idle < 3;) idle = shard->maintain() ? 0 : idle + 1;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work);
  write(shard.shard(), erasures(0, 1500));  // a compaction among them
  for (auto& thread : threads) thread.join();
  shard.settle();
  EXPECT_EQ(shard->stats().pending, 0U);
  EXPECT_EQ(shard->stats().tombstones, 0U);
  std::size_t found = 0;
  for (std::uint64_t id = 1500; id < 3000; id += 10) {
    SearchQuery query;
    query.vector = point_of(shard.shard(), id)->vector;
    query.limit = 1;
    found += ids_of(*shard->search(query)) == std::vector{PointId(id)} ? 1 : 0;
  }
  EXPECT_GE(found, 148U) << "of 150";
}

}  // namespace
}  // namespace vectorizer::shard
