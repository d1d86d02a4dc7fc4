#include "rocks_shard_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <random>

#include "encoding.hpp"
#include "unit/storage/store_fixture.hpp"
#include "testing/memory_shard_store.hpp"

namespace vectorizer::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using RocksShardStoreTest = StoreTest;

TEST_F(RocksShardStoreTest, KeepsPointsAndTheSequenceAcrossARestart) {
  std::vector<float> large(784);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<float>(i) / 7;
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), large, R"({"a":1})"), upsert(2, PointId("b"), {1, 2})}));
  ASSERT_TRUE(write(*store_, {upsert(3, PointId("c"), {3}), tombstone(4, PointId("b"))}));
  reopen();
  EXPECT_EQ(store_->applied_sequence(), 4U);
  const auto first = store_->get(PointId(1));
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->has_value());
  EXPECT_EQ((*first)->sequence, 1U);
  EXPECT_EQ((*first)->point.vector, large);
  EXPECT_EQ((*first)->point.payload, R"({"a":1})");
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(1), PointId("c")));
}

TEST_F(RocksShardStoreTest, GetManyAnswersInTheOrderAskedWithGaps) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), upsert(2, PointId(2), {2})}));
  const std::vector<PointId> ids{PointId(2), PointId("none"), PointId(1), PointId(2)};
  const auto found = store_->get_many(ids);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 4U);
  EXPECT_EQ((*found)[0]->point.id, PointId(2));
  EXPECT_FALSE((*found)[1]);
  EXPECT_EQ((*found)[2]->point.vector, std::vector<float>{1});
  EXPECT_EQ((*found)[3]->sequence, 2U);
}

TEST_F(RocksShardStoreTest, ScansInIdOrderAfterAnIdUntilToldToStop) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId("b"), {1}), upsert(2, PointId(300), {1}), upsert(3, PointId(2), {1}),
                              upsert(4, PointId("a"), {1}), upsert(5, PointId("aa"), {1})}));
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(2), PointId(300), PointId("a"), PointId("aa"), PointId("b")));
  EXPECT_THAT(ids_in(*store_, PointId("a")), ElementsAre(PointId("aa"), PointId("b")));
  EXPECT_THAT(ids_in(*store_, PointId(3)), ElementsAre(PointId(300), PointId("a"), PointId("aa"), PointId("b")));
  int visited = 0;
  ASSERT_TRUE(store_->scan(std::nullopt, [&](StoredPoint&&) { return ++visited < 2; }));
  EXPECT_EQ(visited, 2);
}

TEST_F(RocksShardStoreTest, CopiesDoNotSeeEachOther) {
  const auto other = database_->open_store(2);
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  ASSERT_TRUE(write(*other, {upsert(1, PointId(2), {1}), upsert(2, PointId(3), {1})}));
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(1)));
  EXPECT_THAT(ids_in(*other), ElementsAre(PointId(2), PointId(3)));
  EXPECT_EQ(store_->applied_sequence(), 1U);
  EXPECT_EQ(other->applied_sequence(), 2U);
}

TEST_F(RocksShardStoreTest, TheLastWriteOfABatchWins) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), tombstone(2, PointId(1)), upsert(3, PointId(1), {3})}));
  const auto found = store_->get(PointId(1));
  ASSERT_TRUE(found && found->has_value());
  EXPECT_EQ((*found)->sequence, 3U);
}

TEST_F(RocksShardStoreTest, ADamagedValueIsAnErrorOnEveryWayToIt) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), upsert(2, PointId(2), {1})}));
  ASSERT_TRUE(database_->rocks()
                  .Put({}, database_->family(ColumnFamily::kPoints), point_key(1, PointId(2)), "\x01 nonsense")
                  .ok());
  const std::vector<PointId> both{PointId(1), PointId(2)};
  EXPECT_TRUE(store_->get(PointId(1)));
  const auto got = store_->get(PointId(2));
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("the stored vector 2 is damaged"));
  EXPECT_FALSE(store_->get_many(both));
  const auto scanned = store_->scan(std::nullopt, [](StoredPoint&&) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().type, ErrorType::kInternal);
}

TEST_F(RocksShardStoreTest, ADamagedSequenceRefusesTheCopy) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  ASSERT_TRUE(database_->rocks().Put({}, database_->family(ColumnFamily::kLocal), sequence_key(1), "?").ok());
  const auto damaged = database_->open_store(1);
  const auto got = damaged->get(PointId(1));
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("sequence of copy 1 is damaged"));
  EXPECT_FALSE(write(*damaged, {upsert(2, PointId(2), {1})}));
}

TEST_F(RocksShardStoreTest, AFullDiskRefusesUpsertsAndTakesDeletes) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), upsert(2, PointId(2), {1})}));
  space_->free_bytes = 1;
  reopen();
  EXPECT_TRUE(database_->storage_full());
  const auto refused = write(*store_, {tombstone(3, PointId(1)), upsert(4, PointId(3), {1})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(store_->applied_sequence(), 2U);
  EXPECT_TRUE(write(*store_, {tombstone(3, PointId(1))}));
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(2)));
}

TEST_F(RocksShardStoreTest, AgreesWithTheStoreInMemoryOverARandomHistory) {
  constexpr std::uint32_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  vectorizer::testing::MemoryShardStore model;
  SequenceNumber sequence = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<StoredWrite> writes;
    for (auto left = random() % 20 + 1; left > 0; --left) {
      const auto number = random() % 100;
      const auto id = number % 2 == 0 ? PointId(number) : PointId(std::to_string(number));
      if (random() % 4 == 0) {
        writes.push_back(tombstone(++sequence, id));
      } else {
        const std::vector<float> vector(random() % 2 == 0 ? 8 : 400, static_cast<float>(random() % 1000));
        writes.push_back(upsert(++sequence, id, vector, random() % 2 == 0 ? R"({"k":1})" : ""));
      }
    }
    ASSERT_TRUE(store_->write(writes));
    ASSERT_TRUE(model.write(writes));
    if (round % 20 == 19) reopen();
    if (round % 15 == 14) {
      ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kPoints)).ok());
    }
  }
  std::vector<StoredPoint> ours, theirs;
  const auto into = [](std::vector<StoredPoint>& list) {
    return [&list](StoredPoint&& stored) {
      list.push_back(std::move(stored));
      return true;
    };
  };
  ASSERT_TRUE(store_->scan(std::nullopt, into(ours)));
  ASSERT_TRUE(model.scan(std::nullopt, into(theirs)));
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].point.id, theirs[i].point.id);
    EXPECT_EQ(ours[i].sequence, theirs[i].sequence);
    EXPECT_EQ(ours[i].point.vector, theirs[i].point.vector);
    EXPECT_EQ(ours[i].point.payload, theirs[i].point.payload);
  }
  EXPECT_EQ(store_->applied_sequence(), model.applied_sequence());
}

TEST_F(RocksShardStoreTest, SequencesOfAWriteThatFailedWithItsRecordInTheLogAreNotUsedAgain) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  EXPECT_EQ(store_->last_sequence(), 1U);
  // RocksDB logs a batch before it finds that a column family of it is gone.
  ASSERT_TRUE(database_->rocks().DropColumnFamily(database_->family(ColumnFamily::kPoints)).ok());
  ASSERT_FALSE(write(*store_, {upsert(2, PointId(2), {2}), upsert(3, PointId(3), {3})}));
  EXPECT_EQ(store_->applied_sequence(), 1U);
  EXPECT_EQ(store_->last_sequence(), 3U);
  reopen();
  EXPECT_EQ(store_->applied_sequence(), 3U);  // the record counts after all
  EXPECT_EQ(store_->last_sequence(), 3U);
}

TEST_F(RocksShardStoreTest, AnEmptyWriteChangesNothing) {
  EXPECT_TRUE(store_->write({}));
  EXPECT_EQ(store_->applied_sequence(), 0U);
  EXPECT_THAT(ids_in(*store_), IsEmpty());
}

}  // namespace
}  // namespace vectorizer::storage
