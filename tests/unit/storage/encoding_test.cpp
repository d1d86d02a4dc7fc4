#include "encoding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace vectorizer::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string value_of(SequenceNumber sequence, const Point& point) {
  std::string value;
  append_point_value(value, sequence, point);
  return value;
}

std::string result_of(SequenceNumber sequence, const RequestResult& result) {
  std::string value;
  append_result_value(value, sequence, result);
  return value;
}

TEST(ResultValue, HasTheBytesOfTheFormatDocument) {
  const RequestResult result{{{1, 2}, 3}, 4, {WriteOutcome::kApplied, WriteOutcome::kNotFound}};
  const std::string expected(
      "\x01\x09\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x02\0\0\0\x02",
      46);
  EXPECT_EQ(result_of(9, result), expected);
  EXPECT_EQ(result_of(9, {{{1, 2}, 3}, 4, {WriteOutcome::kApplied}}).size(), 45U);
}

TEST(ResultValue, ReadsBackWhatWasWritten) {
  for (const std::size_t count : {0U, 1U, 7U, 8U, 9U, 1000U}) {
    RequestResult result{{{5, ~0ULL}, 7}, -1, std::vector<WriteOutcome>(count)};
    for (int missing = 0; missing < 2; ++missing) {
      const auto read = decode_result_value(result_of(3, result));
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_EQ(read->sequence, 3U);
      EXPECT_EQ(read->result, result) << count;
      if (count > 0) result.outcomes.back() = WriteOutcome::kNotFound;
    }
  }
}

TEST(ResultValue, BadBytesAreErrors) {
  const auto good = result_of(1, {{{1, 2}, 3}, 4, std::vector(9, WriteOutcome::kNotFound)});
  ASSERT_TRUE(decode_result_value(good));
  for (std::size_t size = 0; size < good.size(); ++size) {
    if (size == 45) continue;  // without its bits it says that all were applied
    EXPECT_FALSE(decode_result_value(std::string_view(good).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_result_value(good + '\0'));
  const auto with = [&](std::size_t at, char byte) {
    auto bad = good;
    bad[at] = byte;
    return decode_result_value(bad);
  };
  EXPECT_THAT(with(0, 2).error().message, HasSubstr("version"));
  EXPECT_THAT(with(44, 1).error().message, HasSubstr("too many"));         // 2^24 outcomes
  EXPECT_THAT(with(46, '\xff').error().message, HasSubstr("of nothing"));  // bits of outcomes that are not there
}

TEST(PointValue, ReadsBackWhatWasWritten) {
  const Point point{PointId("a"), {1.5F, -0.0F, std::numeric_limits<float>::denorm_min()}, R"({"x":1})"};
  const auto stored = decode_point_value(point.id, value_of(0x0102030405060708, point));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->sequence, 0x0102030405060708U);
  EXPECT_EQ(stored->point.id, point.id);
  EXPECT_EQ(stored->point.payload, point.payload);
  EXPECT_THAT(stored->point.vector, ElementsAre(1.5F, -0.0F, std::numeric_limits<float>::denorm_min()));
}

TEST(PointValue, HasTheBytesOfTheFormatDocument) {
  const std::string expected("\x01\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\x80\x3F{}", 19);
  EXPECT_EQ(value_of(2, Point{PointId(7), {1.0F}, "{}"}), expected);
}

TEST(PointValue, EveryTruncationOfTheVectorIsAnError) {
  const auto value = value_of(1, Point{PointId(7), {1, 2, 3}, ""});
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_point_value(PointId(7), std::string_view(value).substr(0, size))) << size;
  }
  EXPECT_TRUE(decode_point_value(PointId(7), value));
}

TEST(PointValue, AnotherVersionIsAnErrorThatSaysSo) {
  auto value = value_of(1, Point{PointId(7), {1}, ""});
  value[0] = 9;
  const auto stored = decode_point_value(PointId(7), value);
  ASSERT_FALSE(stored);
  EXPECT_THAT(stored.error().message, HasSubstr("version 9"));
  EXPECT_EQ(stored.error().type, ErrorType::kInternal);
}

TEST(PointValue, RandomBytesNeverReadBeyondTheirEnd) {
  std::mt19937 random(4);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (!bytes.empty() && round % 2 == 0) bytes[0] = kPointValueVersion;
    const auto stored = decode_point_value(PointId(1), bytes);
    if (stored) {
      EXPECT_LE(stored->point.vector.size() * sizeof(float) + stored->point.payload.size(), bytes.size());
    }
  }
}

TEST(PointKey, SortsByCopyThenById) {
  const std::vector<std::string> keys{point_key(1, PointId(1)),
                                      point_key(1, PointId(256)),
                                      point_key(1, PointId("")),
                                      point_key(1, PointId("a")),
                                      copy_end(1),
                                      point_key(2, PointId(0)),
                                      point_key(256, PointId(0))};
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST(PointKey, GivesItsIdBack) {
  EXPECT_EQ(id_of_key(point_key(3, PointId("name"))), PointId("name"));
  EXPECT_EQ(id_of_key(point_key(3, PointId(9))), PointId(9));
  EXPECT_EQ(id_of_key(copy_prefix(3)), std::nullopt);
  EXPECT_EQ(id_of_key("ab"), std::nullopt);
}

TEST(LocalKey, KindsDoNotMeet) {
  EXPECT_NE(local_key(""), format_key());
  EXPECT_NE(sequence_key(1)[0], local_key("x")[0]);
  EXPECT_EQ(decode_sequence(encode_sequence(77)), 77U);
  EXPECT_EQ(decode_sequence("short"), std::nullopt);
}

}  // namespace
}  // namespace vectorizer::storage
