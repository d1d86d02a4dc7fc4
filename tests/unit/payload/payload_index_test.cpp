#include "vectorizer/payload/payload_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::payload {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Filter parsed(std::string_view text) {
  const auto json = parse_json(text);
  EXPECT_TRUE(json) << text;
  auto filter = parse_filter(*json, {});
  EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().message);
  return filter ? *std::move(filter) : Filter{};
}

/// One condition on its own.
Filter must(std::string_view condition) {
  return parsed(R"({"must":[)" + std::string(condition) + "]}");
}

/// An index of the payloads, in slots 0, 1, …, under ids 100, 101, ….
std::unique_ptr<PayloadIndex> index_of(const std::vector<std::string>& payloads, PayloadIndex::Options options = {}) {
  auto index = make_payload_index(options);
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    index->add(static_cast<Slot>(i), PointId(std::uint64_t{100} + i), payloads[i]);
  }
  return index;
}

TEST(PayloadIndex, AnswersExactlyFromItsBitmaps) {
  const auto index = index_of({
      R"({"c":"red","n":1,"t":"2024-05-01T00:00:00Z","on":true})",
      R"({"c":["red","blue"],"n":1.0,"a":{"b":[{"x":5},{"x":7}]}})",
      R"({"c":null,"n":2.5,"t":"2024-05-01T02:00:00+02:00"})",
      R"({"c":[],"n":18446744073709551615})",
      "",
  });
  const struct {
    std::string_view condition;
    std::vector<Slot> slots;
  } cases[] = {
      {R"({"key":"c","match":{"value":"red"}})", {0, 1}},
      {R"({"key":"c","match":{"any":["blue",null]}})", {1, 2}},
      {R"({"key":"n","match":{"value":1}})", {0, 1}},
      {R"({"key":"n","match":{"value":18446744073709551615}})", {3}},
      {R"({"key":"n","match":{"value":18446744073709551614}})", {}},
      {R"({"key":"n","match":{"except":[1]}})", {2, 3}},
      {R"({"key":"n","range":{"gte":1,"lt":3}})", {0, 1, 2}},
      {R"({"key":"n","range":{"gt":1}})", {2, 3}},
      {R"({"key":"c","range":{"gt":0}})", {}},
      {R"({"key":"t","range":{"gte":"2024-05-01T00:00:00Z","lte":"2024-05-01T00:00:00Z"}})", {0, 2}},
      {R"({"key":"on","match":{"value":true}})", {0}},
      {R"({"key":"a.b.x","match":{"value":7}})", {1}},
      {R"({"key":"a.b.x","range":{"lt":6}})", {1}},
      {R"({"key":"c","exists":true})", {0, 1, 2, 3}},
      {R"({"key":"c","exists":false})", {4}},
      {R"({"key":"c","is_null":true})", {2}},
      {R"({"key":"c","is_empty":true})", {2, 3, 4}},
      {R"({"key":"c","is_empty":false})", {0, 1}},
      {R"({"key":"nowhere","match":{"value":1}})", {}},
      {R"({"key":"nowhere","is_empty":true})", {0, 1, 2, 3, 4}},
      {R"({"has_id":[101,"101",103,999]})", {1, 3}},
      {R"({"must_not":[{"has_id":[101]}]})", {0, 2, 3, 4}},
      {R"({"min_should":{"count":2,"conditions":[{"key":"c","match":{"value":"red"}},{"key":"n","match":{"value":1}},{"key":"on","exists":true}]}})",
       {0, 1}},
  };
  for (const auto& c : cases) {
    const auto found = index->match(must(c.condition));
    EXPECT_EQ(found.slots, c.slots) << c.condition;
    EXPECT_TRUE(found.exact) << c.condition;
  }
}

TEST(PayloadIndex, AnEmptyFilterMatchesEverySlot) {
  const auto index = index_of({"{}", "", R"({"a":1})"});
  const auto found = index->match(Filter{});
  EXPECT_THAT(found.slots, ElementsAre(0, 1, 2));
  EXPECT_TRUE(found.exact);
}

TEST(PayloadIndex, ANegatedUndecidedConditionKeepsEverySlot) {
  const auto index = index_of({R"({"a":[{"x":1,"y":2}]})", R"({"a":[{"x":1},{"y":2}]})", R"({"a":3})"});
  constexpr std::string_view kNested =
      R"({"nested":{"key":"a","filter":{"must":[{"key":"x","match":{"value":1}},{"key":"y","match":{"value":2}}]}}})";
  const auto positive = index->match(must(kNested));
  EXPECT_FALSE(positive.exact);
  EXPECT_THAT(positive.slots, ElementsAre(0, 1));
  const auto negative = index->match(parsed(R"({"must_not":[)" + std::string(kNested) + "]}"));
  EXPECT_FALSE(negative.exact);
  EXPECT_THAT(negative.slots, ElementsAre(0, 1, 2));
}

TEST(PayloadIndex, ForgetsRemovedSlots) {
  const auto index = index_of({R"({"c":"red","n":1})", R"({"c":"red","n":1})"});
  index->remove(0, PointId(std::uint64_t{100}), R"({"c":"red","n":1})");
  EXPECT_THAT(index->match(must(R"({"key":"c","match":{"value":"red"}})")).slots, ElementsAre(1));
  EXPECT_THAT(index->match(must(R"({"key":"n","range":{"gte":0}})")).slots, ElementsAre(1));
  EXPECT_THAT(index->match(must(R"({"has_id":[100]})")).slots, IsEmpty());
  EXPECT_THAT(index->match(parsed(R"({"must_not":[{"key":"c","exists":true}]})")).slots, IsEmpty());
}

TEST(PayloadIndex, MinShouldMindsASlotThatWasRemovedWithoutItsPayload) {
  constexpr Slot kLast = 1U << 20;
  const auto index = index_of({R"({"c":"red","n":1})"});
  index->add(kLast, PointId(std::uint64_t{200}), R"({"c":"red","n":1})");
  index->remove(kLast, PointId(std::uint64_t{200}), "");

  const auto found = index->match(parsed(
      R"({"min_should":{"count":2,"conditions":[{"key":"c","match":{"value":"red"}},{"key":"n","match":{"value":1}}]}})"));

  EXPECT_THAT(found.slots, ElementsAre(0));
}

TEST(PayloadIndex, AnUpdateMovesTheIdToTheNewSlot) {
  const auto index = index_of({R"({"c":"red"})"});
  index->add(1, PointId(std::uint64_t{100}), R"({"c":"blue"})");
  // Until the old slot is removed readers may still have it: neither is missing, nor does one stay in when excluded.
  EXPECT_THAT(index->match(must(R"({"has_id":[100]})")).slots, ElementsAre(0, 1));
  EXPECT_THAT(index->match(parsed(R"({"must_not":[{"has_id":[100]}]})")).slots, IsEmpty());
  index->remove(0, PointId(std::uint64_t{100}), R"({"c":"red"})");
  EXPECT_THAT(index->match(must(R"({"has_id":[100]})")).slots, ElementsAre(1));
  EXPECT_THAT(index->match(must(R"({"key":"c","match":{"value":"red"}})")).slots, IsEmpty());
}

TEST(PayloadIndex, APathPastItsValueBudgetAnswersWithASuperset) {
  PayloadIndex::Options options;
  options.max_values_per_path = 2;
  const auto index = index_of(
      {R"({"a":1,"b":1})", R"({"a":2,"b":1})", R"({"a":3,"b":1})", R"({"b":2})", R"({"a":null,"b":2})"}, options);
  const auto found = index->match(must(R"({"key":"a","match":{"value":3}})"));
  EXPECT_FALSE(found.exact);
  EXPECT_THAT(found.slots, ::testing::IsSupersetOf({Slot{2}}));
  EXPECT_THAT(found.slots, ::testing::Not(::testing::Contains(Slot{3})));
  EXPECT_TRUE(index->match(must(R"({"key":"a","is_null":true})")).exact);
  EXPECT_THAT(index->match(must(R"({"key":"b","match":{"value":2}})")).slots, ElementsAre(3, 4));
  EXPECT_THAT(index->indexed_paths(), ElementsAre("b"));
}

TEST(PayloadIndex, PathsPastTheBudgetAnswerWithEverySlot) {
  PayloadIndex::Options options;
  options.max_paths = 2;
  const auto index = index_of({R"({"a":1,"b.c":1})", R"({"z":1})", R"({"a":2})"}, options);
  EXPECT_THAT(index->indexed_paths(), ElementsAre("\"b.c\"", "a"));
  const auto found = index->match(must(R"({"key":"z","match":{"value":1}})"));
  EXPECT_FALSE(found.exact);
  EXPECT_THAT(found.slots, ElementsAre(0, 1, 2));
  EXPECT_TRUE(index->match(must(R"({"key":"a","match":{"value":2}})")).exact);
}

TEST(PayloadIndex, LongStringsAreNotKeptAndStillMatch) {
  const std::string text(100'000, 'x');
  const auto index = index_of({R"({"t":")" + text + "\"}", R"({"t":"short"})"});
  EXPECT_LT(index->bytes(), 4096U);
  const auto found = index->match(must(R"({"key":"t","match":{"value":")" + text + "\"}}"));
  EXPECT_FALSE(found.exact);
  EXPECT_THAT(found.slots, ElementsAre(0));
  const auto others = index->match(must(R"({"key":"t","match":{"except":["short"]}})"));
  EXPECT_TRUE(others.exact);
  EXPECT_THAT(others.slots, ElementsAre(0));
}

TEST(PayloadIndex, AnEmptyIndexIsSmall) {
  EXPECT_LT(make_payload_index({})->bytes(), 4096U);
}

TEST(PayloadIndex, ReadersSeeWholePointsBesideAWriter) {
  const auto index = make_payload_index({});
  std::atomic<bool> done{false};
  std::atomic<bool> torn{false};
  const Filter both = parsed(R"({"must":[{"key":"a","exists":true}],"must_not":[{"key":"b","exists":true}]})");
  std::thread reader([&] {
    while (!done) {
      if (!index->match(both).slots.empty()) torn = true;
    }
  });
  for (Slot slot = 0; slot < 2000; ++slot) {
    index->add(slot, PointId(std::uint64_t{slot}), R"({"a":1,"b":2})");
    if (slot >= 100) index->remove(slot - 100, PointId(std::uint64_t{slot} - 100), R"({"a":1,"b":2})");
  }
  done = true;
  reader.join();
  EXPECT_FALSE(torn);
  EXPECT_EQ(index->match(must(R"({"key":"a","match":{"value":1}})")).slots.size(), 100U);
}

}  // namespace
}  // namespace vectorizer::payload
