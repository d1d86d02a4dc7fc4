#include "vectorizer/storage/result_table.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "store_fixture.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::storage {
namespace {

constexpr std::int64_t kLifetimeMs = std::chrono::milliseconds(ResultTable::kLifetime).count();

TEST(ResultTable, WhatIsTooOldIsForgotten) {
  ResultTable table;
  table.add({1, 1}, 5, 1000);
  table.add({1, 2}, 6, 2000);
  EXPECT_EQ(table.find({1, 1}, 1000 + kLifetimeMs - 1), 5U);
  EXPECT_EQ(table.find({1, 1}, 1000 + kLifetimeMs), std::nullopt);
  EXPECT_EQ(table.outdated(1, 1000 + kLifetimeMs), std::vector<std::uint64_t>{5});
  table.drop_oldest(1);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.find({1, 2}, 2000), 6U);
}

TEST(ResultTable, TheOldestMakeRoom) {
  ResultTable table;
  for (std::uint64_t i = 1; i <= ResultTable::kMaxResults; ++i) table.add({0, i}, i, 1000);
  EXPECT_TRUE(table.outdated(0, 1000).empty());
  EXPECT_EQ(table.outdated(2, 1000), (std::vector<std::uint64_t>{1, 2}));
}

TEST(ResultTable, ARequestThatCameAgainKeepsItsNewerResult) {
  ResultTable table;
  table.add({1, 1}, 5, 1000);
  table.add({1, 1}, 9, 1000 + kLifetimeMs);
  table.drop_oldest(1);
  EXPECT_EQ(table.find({1, 1}, 1000 + kLifetimeMs), 9U);
}

class StoredResult : public StoreTest {
 protected:
  static std::int64_t now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  }
  static StoredWrite result(SequenceNumber sequence, std::uint64_t id, std::int64_t at_ms) {
    StoredWrite write;
    write.sequence = sequence;
    write.deleted = true;
    write.result = RequestResult{{{id, id}, 7}, at_ms, {WriteOutcome::kApplied, WriteOutcome::kNotFound}};
    return write;
  }
  std::size_t kept() {
    std::size_t count = 0;
    EXPECT_TRUE(database_->read_checkpoint(
        1, [](SequenceNumber) -> Result<void> { return {}; }, [](StoredPoint&&) -> Result<void> { return {}; },
        [&](StoredWrite&&) -> Result<void> {
          ++count;
          return {};
        }));
    return count;
  }
};

TEST_F(StoredResult, OutlivesARestartAndGoesWithItsCopy) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), result(2, 5, now())}));
  reopen();
  const auto found = store_->find_result({5, 5});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->outcomes, (std::vector{WriteOutcome::kApplied, WriteOutcome::kNotFound}));
  EXPECT_EQ((*found)->stamp.body, 7U);
  EXPECT_EQ(store_->applied_sequence(), 2U);
  EXPECT_EQ(ids_in(*store_).size(), 1U);
  EXPECT_FALSE(*store_->find_result({5, 6}));
  EXPECT_FALSE(*database_->open_store(2)->find_result({5, 5}));
  ASSERT_TRUE(database_->drop_store(1));
  reopen();
  EXPECT_FALSE(*store_->find_result({5, 5}));
}

TEST_F(StoredResult, OneThatIsTooOldLeavesTheDisk) {
  ASSERT_TRUE(write(*store_, {result(1, 5, now() - kLifetimeMs)}));
  EXPECT_FALSE(*store_->find_result({5, 5}));
  EXPECT_EQ(kept(), 1U);
  ASSERT_TRUE(write(*store_, {result(2, 6, now())}));
  EXPECT_EQ(kept(), 1U);
  EXPECT_TRUE(*store_->find_result({6, 6}));
}

TEST_F(StoredResult, TravelsInAnEntryOfTheSecondVersion) {
  const LogEntry entry = make_entry(3, std::vector{upsert(1, PointId(1), {1}), result(2, 5, 1234)});
  EXPECT_EQ(entry.bytes[0], 2);
  const auto read = entry_writes(entry);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)[1].result, result(2, 5, 1234).result);
  EXPECT_EQ((*read)[1].sequence, 2U);
  for (std::size_t size = 0; size < entry.bytes.size(); ++size) {
    LogEntry cut = entry;
    cut.bytes.resize(size);
    EXPECT_FALSE(entry_writes(cut)) << size;
  }
  LogEntry first = entry;
  first.bytes[0] = 1;  // which knows no results
  EXPECT_FALSE(entry_writes(first));
}

}  // namespace
}  // namespace vectorizer::storage
