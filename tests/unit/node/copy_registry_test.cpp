#include "copy_registry.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "testing/memory_database.hpp"

namespace vectorizer::node {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

Result<CopyRegistry> load(testing::MemoryDatabase& database, const Records& records) {
  for (const auto& [key, value] : records) EXPECT_TRUE(database.put_local(key, value));
  return CopyRegistry::load(database);
}

TEST(CopyRegistry, RemembersItsCopiesAndGivesNoNumberTwice) {
  testing::MemoryDatabase database;
  auto registry = *load(database, {});
  const auto first = *registry.allocate(), second = *registry.allocate();
  ASSERT_TRUE(registry.record(ShardId(7), {first, 70, 3}));
  ASSERT_TRUE(registry.record(ShardId(8), {second, 80, 3}));
  ASSERT_TRUE(registry.drop(ShardId(8)));

  auto again = *CopyRegistry::load(database);

  ASSERT_EQ(again.copies().size(), 1U);
  EXPECT_EQ(again.copies().at(ShardId(7)).number, first);
  EXPECT_EQ(again.copies().at(ShardId(7)).id, 70U);
  EXPECT_EQ(again.copies().at(ShardId(7)).epoch, 3U);
  EXPECT_GT(*again.allocate(), second);
}

TEST(CopyRegistry, ReadsTheFirstFormat) {
  testing::MemoryDatabase database;
  const auto registry = load(database, {{"copy-next", "4"}, {"copy/7", "3"}});
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->copies().at(ShardId(7)).number, 3U);
  EXPECT_EQ(registry->copies().at(ShardId(7)).id, 0U);
}

TEST(CopyRegistry, RecordsThatContradictEachOtherAreRefusedBeforeAnythingIsDropped) {
  const std::vector<Records> damaged = {
      {{"copy/7", "3 70 1"}},                                            // no next number
      {{"copy-next", "3"}, {"copy/7", "3 70 1"}},                        // the next one is in use
      {{"copy-next", "4"}, {"copy/7", "3 70 1"}, {"copy/8", "3 80 1"}},  // two shards in one store
      {{"copy-next", "4"}, {"copy/7", "3 70 1"}, {"copy-drop/3", ""}},   // wanted and not wanted
      {{"copy-next", "4"}, {"copy/7", "3 70 x"}},
      {{"copy-next", "4294967296"}},
  };
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    testing::MemoryDatabase database;
    const auto registry = load(database, damaged[i]);
    ASSERT_FALSE(registry) << i;
    EXPECT_EQ(registry.error().type, ErrorType::kInternal);
    for (const auto& [key, value] : damaged[i]) EXPECT_EQ(*database.get_local(key), value) << i;
  }
}

TEST(CopyRegistry, NumbersDoNotBeginAgain) {
  testing::MemoryDatabase database;
  auto registry = load(database, {{"copy-next", "4294967295"}});
  ASSERT_TRUE(registry);
  EXPECT_FALSE(registry->allocate());
}

}  // namespace
}  // namespace vectorizer::node
