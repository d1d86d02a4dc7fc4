#include "vectorizer/model/point_id.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace vectorizer {
namespace {

std::vector<PointId> ids_in_order() {
  return {PointId(std::uint64_t{0}),
          PointId(std::uint64_t{1}),
          PointId(std::uint64_t{9}),
          PointId(std::uint64_t{10}),
          PointId(std::uint64_t{255}),
          PointId(std::uint64_t{256}),
          PointId(UINT64_MAX),
          PointId(std::string("\0", 1)),
          PointId(std::string("1")),
          PointId(std::string("10")),
          PointId(std::string("9")),
          PointId(std::string("a")),
          PointId(std::string("a\0b", 3)),
          PointId(std::string("ab")),
          PointId(std::string("\xc3\xa9"))};
}

TEST(PointId, OrdersIntegersByNumberThenTextByBytes) {
  const auto ids = ids_in_order();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t j = 0; j < ids.size(); ++j) {
      EXPECT_EQ(ids[i] < ids[j], i < j) << ids[i].to_json() << " and " << ids[j].to_json();
      EXPECT_EQ(ids[i] == ids[j], i == j);
      EXPECT_EQ(ids[i].encode() < ids[j].encode(), i < j) << ids[i].to_json() << " and " << ids[j].to_json();
    }
  }
}

TEST(PointId, DecodesWhatItEncodes) {
  auto ids = ids_in_order();
  ids.emplace_back(std::string(PointId::kMaxTextBytes, 'x'));
  for (const auto& id : ids) EXPECT_EQ(PointId::decode(id.encode()), id) << id.to_json();
}

TEST(PointId, RefusesBytesThatAreNoId) {
  using namespace std::string_literals;  // NOLINT(google-build-using-namespace)
  for (const auto& bytes : {""s, "\0"s, "\0 1234567"s.substr(0, 8), "\0 12345678"s, "\1"s, "\2abc"s,
                            "\1"s + std::string(PointId::kMaxTextBytes + 1, 'x')}) {
    EXPECT_FALSE(PointId::decode(bytes)) << bytes.size();
  }
}

TEST(PointId, ANumberAndItsDigitsAreDifferentIds) {
  const PointId number(std::uint64_t{1});
  const PointId text(std::string("1"));
  EXPECT_NE(number, text);
  EXPECT_NE(number.hash(), text.hash());
  EXPECT_EQ(number.to_json(), "1");
  EXPECT_EQ(text.to_json(), "\"1\"");
}

TEST(PointId, EscapesTextInJson) {
  EXPECT_EQ(PointId(std::string("a\"\\\n\x01")).to_json(), "\"a\\\"\\\\\\n\\u0001\"");
}

TEST(PointId, HashesSpreadSequentialIds) {
  constexpr std::size_t kBuckets = 16;
  constexpr std::size_t kIds = 16000;
  std::vector<std::size_t> count(kBuckets);
  std::unordered_set<std::uint64_t> distinct;
  for (std::uint64_t i = 0; i < kIds; ++i) {
    const auto hash = PointId(i).hash();
    distinct.insert(hash);
    ++count[hash % kBuckets];
  }
  EXPECT_EQ(distinct.size(), kIds);
  EXPECT_GT(*std::min_element(count.begin(), count.end()), 850U);
  EXPECT_LT(*std::max_element(count.begin(), count.end()), 1150U);
}

// The hash decides the shard of stored points: a change of it would lose them.
TEST(PointId, HashesAreFixedForever) {
  EXPECT_EQ(PointId(std::uint64_t{1}).hash(), 0xa5be5adced8fe58ULL);
  EXPECT_EQ(PointId(std::string("doc-1")).hash(), 0x72c408f25f9bc6beULL);
}

}  // namespace
}  // namespace vectorizer
