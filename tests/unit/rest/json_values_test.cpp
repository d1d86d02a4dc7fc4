#include <gtest/gtest.h>

#include <random>

#include "json/admin_json.hpp"
#include "json/base64.hpp"
#include "json/cursor.hpp"
#include "json/field_path.hpp"
#include "json/write_body.hpp"

namespace vectorizer::rest {
namespace {

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(Base64, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(decode_base64("Zm9vYmE="), "fooba");
  EXPECT_EQ(decode_base64("Zm9vYmE"), "fooba");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const char* text : {"Z", "Zm9v=", "Zm=v", "Zm9vYh==", "Zm9 ", "-_-_", "====", "Zg==Zg==", "Zg==="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

TEST(Base64, UrlFormRoundTripsEveryLength) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 70; ++size) {
    const auto bytes = random_bytes(random, size);
    EXPECT_EQ(decode_base64url(encode_base64url(bytes)), bytes);
  }
}

TEST(Cursor, RoundTripsIdsOfBothTypes) {
  for (const auto& id : {PointId(0), PointId(~std::uint64_t{0}), PointId(std::string("0")),
                         PointId(std::string(256, '~')), PointId(std::string("\xc3\xa9"))}) {
    const auto back = decode_cursor(encode_cursor(id));
    ASSERT_TRUE(back) << id.to_json();
    EXPECT_EQ(*back, id);
  }
}

TEST(Cursor, RefusesEveryOtherVersionLengthAndText) {
  const auto good = encode_cursor(PointId(5));
  EXPECT_FALSE(decode_cursor(good + "A"));
  EXPECT_FALSE(decode_cursor(good.substr(0, good.size() - 2)));
  EXPECT_FALSE(decode_cursor(""));
  EXPECT_FALSE(decode_cursor(encode_base64url(std::string("\x02\x01x", 3))));
  EXPECT_FALSE(decode_cursor(encode_base64url(std::string("\x01\x01\xff", 3))));
  EXPECT_FALSE(decode_cursor(std::string(5000, 'A')));
}

TEST(FieldPath, SpellsMembersAndIndexes) {
  const FieldPath root;
  const FieldPath list("vectors");
  const FieldPath entry = list.at(3);
  const FieldPath vector = entry.member("vector");
  EXPECT_EQ(vector.at(2).text(), "vectors[3].vector[2]");
  EXPECT_EQ(root.member("limit").text(), "limit");
  EXPECT_EQ(root.text(), "body");
}

TEST(Rfc3339, FormatsTimesBeforeAndAfterTheEpoch) {
  EXPECT_EQ(rfc3339_from_ms(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339_from_ms(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339_from_ms(1764054000007), "2025-11-25T07:00:00.007Z");
}

TEST(HoldsForAll, LooksThroughGroups) {
  const auto group = [](Filter filter) {
    Condition condition;
    condition.test = std::make_shared<const Filter>(std::move(filter));
    return condition;
  };
  Condition real;
  real.path = {"a"};
  real.test = Exists{true};
  const auto with = [](std::vector<Condition> Filter::*list, std::vector<Condition> conditions) {
    Filter filter;
    filter.*list = std::move(conditions);
    return filter;
  };
  EXPECT_TRUE(holds_for_all(Filter{}));
  EXPECT_TRUE(holds_for_all(with(&Filter::must, {group({})})));
  EXPECT_TRUE(holds_for_all(with(&Filter::should, {real, group({})})));
  EXPECT_FALSE(holds_for_all(with(&Filter::should, {real})));
  EXPECT_FALSE(holds_for_all(with(&Filter::must, {group({}), real})));
  EXPECT_FALSE(holds_for_all(with(&Filter::must, {group(with(&Filter::must, {real}))})));
  EXPECT_FALSE(holds_for_all(with(&Filter::must_not, {group({})})));
}

}  // namespace
}  // namespace vectorizer::rest
