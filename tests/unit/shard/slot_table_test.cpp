#include "slot_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace vectorizer::shard {
namespace {

TEST(SlotTable, FindsWhatAMapFindsThroughRandomChanges) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  SlotTable table;
  std::map<PointId, Slot> model;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t number = random() % 500;
    const PointId id = number % 2 == 0 ? PointId(number) : PointId("p" + std::to_string(number));
    const auto known = model.find(id);
    ASSERT_EQ(table.find(id).has_value(), known != model.end());
    if (known != model.end()) {
      ASSERT_EQ(*table.find(id), known->second);
      ASSERT_EQ(table.remove(known->second).id, id);
      ASSERT_EQ(table.live(known->second), nullptr);
      model.erase(known);
    }
    if (random() % 3 != 0) model[id] = table.append(id, static_cast<SequenceNumber>(step), "{}");
    ASSERT_EQ(table.live_count(), model.size());
  }
  for (const auto& [id, slot] : model) ASSERT_EQ(table.find(id), slot);
}

TEST(SlotTable, GrowsAheadOfWhatIsAppended) {
  SlotTable table;
  for (std::uint64_t id = 0; id < 10; ++id) table.append(PointId(id), id + 1, {});
  EXPECT_TRUE(table.grown(0).empty());

  std::vector<std::uint32_t> buckets = table.grown(1000);
  ASSERT_FALSE(buckets.empty());
  table.adopt(buckets);

  EXPECT_TRUE(table.grown(1000).empty());
  for (std::uint64_t id = 10; id < 1010; ++id) table.append(PointId(id), id + 1, {});
  for (std::uint64_t id = 0; id < 1010; ++id) EXPECT_EQ(table.find(PointId(id)), static_cast<Slot>(id));
}

TEST(SlotTable, KeepsShortPayloadsAndRemembersThatALongOneIsInTheStore) {
  SlotTable table;
  table.append(PointId(1), 1, std::string(SlotTable::kKeptPayloadBytes, 'x'));
  table.append(PointId(2), 2, std::string(SlotTable::kKeptPayloadBytes + 1, 'x'));
  EXPECT_FALSE(table.live(0)->payload_in_store);
  EXPECT_TRUE(table.live(1)->payload_in_store);
  EXPECT_EQ(table.payload_bytes(), SlotTable::kKeptPayloadBytes);
  table.remove(0);
  EXPECT_EQ(table.payload_bytes(), 0U);
}

TEST(SlotTable, ComesBackFromItsBytes) {
  SlotTable table;
  table.append(PointId(7), 3, {});
  table.append(PointId("seven"), 4, {});
  table.append(PointId(9), 5, {});
  table.remove(1);
  const auto saved = SlotTable::decode(table.encode());
  ASSERT_TRUE(saved);
  ASSERT_EQ(saved->size(), 2U);
  EXPECT_EQ((*saved)[0].id, PointId(7));
  EXPECT_EQ((*saved)[0].sequence, 3U);
  EXPECT_EQ((*saved)[1].slot, 2U);
  EXPECT_EQ((*saved)[1].sequence, 5U);
}

TEST(SlotTable, EncodedInPartsTellsOfAnIdThatMovesMeanwhileAtMostOnce) {
  SlotTable table;
  for (std::uint64_t id = 0; id < 4; ++id) table.append(PointId(id), id + 1, {});

  std::string bytes = SlotTable::encode_start(table.slots());
  table.encode_slots(bytes, 0, 2);
  for (const Slot slot : {1U, 3U}) table.append(table.remove(slot).id, slot + 10, {});
  table.encode_slots(bytes, 2, 4);

  const auto saved = SlotTable::decode(bytes);
  ASSERT_TRUE(saved);
  ASSERT_EQ(saved->size(), 3U);
  EXPECT_EQ((*saved)[1].id, PointId(1));
  EXPECT_EQ((*saved)[1].sequence, 2U);
  EXPECT_EQ((*saved)[2].id, PointId(2));
}

TEST(SlotTable, RefusesEveryTruncationAndForeignBytes) {
  SlotTable table;
  table.append(PointId(7), 3, {});
  table.append(PointId("seven"), 4, {});
  const std::string bytes = table.encode();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(SlotTable::decode(std::string_view(bytes).substr(0, length))) << length;
  }
  EXPECT_FALSE(SlotTable::decode(bytes + "x"));
  std::string version = bytes;
  version[4] = 9;
  EXPECT_FALSE(SlotTable::decode(version));
  std::string count = bytes;
  count[15] = '\x7f';  // 2^62 slots
  EXPECT_FALSE(SlotTable::decode(count));
}

}  // namespace
}  // namespace vectorizer::shard
