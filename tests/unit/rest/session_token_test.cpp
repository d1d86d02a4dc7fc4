#include "json/session_token.hpp"

#include <gtest/gtest.h>

#include "json/base64.hpp"

namespace vectorizer::rest {
namespace {

constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

TEST(SessionToken, BringsBackWhatWasWritten) {
  for (const ShardPositions& positions : {ShardPositions{}, ShardPositions{{ShardId(0), {.sequence = 0, .term = 1}}},
                                          ShardPositions{{ShardId(3), {.sequence = 127, .term = 1}},
                                                         {ShardId(4), {.sequence = 128, .term = 300}},
                                                         {ShardId(kMost), {.sequence = kMost, .term = kMost}}}}) {
    const auto decoded = decode_session_token(encode_session_token(positions));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, positions);
  }
}

TEST(SessionToken, NeverExceedsItsSize) {
  ShardPositions positions;
  for (std::uint64_t id = 0; id < 5000; ++id) positions[ShardId(id)] = {.sequence = 1'000'000, .term = 1};
  const auto token = encode_session_token(positions);
  EXPECT_LE(token.size(), kMaxTokenBytes);
  const auto decoded = decode_session_token(token);
  ASSERT_TRUE(decoded);
  EXPECT_GT(decoded->size(), 400U);
  EXPECT_EQ(decoded->count(ShardId(4999)), 1U);
}

TEST(SessionToken, RefusesWhatItDidNotWrite) {
  const auto refused = [](const std::string& bytes) { return !decode_session_token(encode_base64url(bytes)); };
  EXPECT_FALSE(decode_session_token("docs"));
  EXPECT_FALSE(decode_session_token("!"));
  EXPECT_FALSE(decode_session_token(""));
  EXPECT_FALSE(decode_session_token(std::string(5000, 'A')));
  EXPECT_TRUE(refused("\x01"));
  EXPECT_TRUE(refused("\x02\x01\x01"));                                    // no sequence
  EXPECT_TRUE(refused(std::string("\x02\x01\x80", 3)));                    // a number without an end
  EXPECT_TRUE(refused(std::string("\x02\x81\x00\x01\x01", 5)));            // a spelling of its own
  EXPECT_TRUE(refused("\x02\x01\x01\x01\x01\x01\x01"));                    // a shard twice
  EXPECT_TRUE(refused("\x02\x01\x01\x01\x02\x01\x01"));                    // another order
  EXPECT_TRUE(refused("\x02" + std::string(9, '\xff') + "\x02\x01\x01"));  // beyond 64 bits
  const auto token = encode_session_token({{ShardId(3), {.sequence = 9, .term = 1}}});
  EXPECT_FALSE(decode_session_token(token.substr(0, token.size() - 1)));
  EXPECT_EQ(decode_session_token("x").error().details,
            R"({"field":"X-Session-Token","reason":"is not one that a write returned"})");
}

}  // namespace
}  // namespace vectorizer::rest
