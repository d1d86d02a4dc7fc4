#include "payload_edit.hpp"

#include <gtest/gtest.h>

namespace vectorizer::shard {
namespace {

std::string edited(std::string_view old, PayloadMode mode, std::string_view change,
                   std::vector<std::string> keys = {}) {
  auto result = edit_payload(old, mode, change, keys);
  EXPECT_TRUE(result);
  return !result ? "error" : *result ? **result : "unchanged";
}

TEST(EditPayload, MergesAsRfc7396Says) {
  EXPECT_EQ(edited(R"({"b":1,"a":{"x":1,"y":2}})", PayloadMode::kMerge, R"({"a":{"x":null,"z":3},"c":[1]})"),
            R"({"b":1,"a":{"y":2,"z":3},"c":[1]})");
  EXPECT_EQ(edited("", PayloadMode::kMerge, R"({"a":{"b":null,"c":1}})"), R"({"a":{"c":1}})");
  EXPECT_EQ(edited(R"({"a":[1,2]})", PayloadMode::kMerge, R"({"a":{"b":1}})"), R"({"a":{"b":1}})");
}

TEST(EditPayload, LeavesTheBytesOfWhatItDoesNotTouch) {
  const std::string old =
      R"({"big":12345678901234567890123,"e":1.0e3,"z":-0.0,"o":{"x":1E+2, "y":"\u00e9"},"t":[ 1.10 ]})";
  EXPECT_EQ(edited(old, PayloadMode::kMerge, R"({"n":0.30})"),
            R"({"big":12345678901234567890123,"e":1.0e3,"z":-0.0,"o":{"x":1E+2, "y":"\u00e9"},"t":[ 1.10 ],"n":0.30})");
  EXPECT_EQ(edited(old, PayloadMode::kMerge, R"({"o":{"y":null},"big":null})"),
            R"({"e":1.0e3,"z":-0.0,"o":{"x":1E+2},"t":[ 1.10 ]})");
  EXPECT_EQ(
      edited(old, PayloadMode::kSet, R"({"e":18446744073709551616})"),
      R"({"big":12345678901234567890123,"e":18446744073709551616,"z":-0.0,"o":{"x":1E+2, "y":"\u00e9"},"t":[ 1.10 ]})");
  EXPECT_EQ(edited(old, PayloadMode::kDeleteKeys, "", {"o", "t"}),
            R"({"big":12345678901234567890123,"e":1.0e3,"z":-0.0})");
}

TEST(EditPayload, MatchesNamesHoweverTheyAreEscaped) {
  EXPECT_EQ(edited(R"({"d\u0065":1,"b":2})", PayloadMode::kMerge, R"({"de":3})"), R"({"d\u0065":3,"b":2})");
  EXPECT_EQ(edited(R"({"a,}\"":1,"b":"{["})", PayloadMode::kMerge, R"({"b":null})"), R"({"a,}\"":1})");
  EXPECT_EQ(edited(R"({"de":1,"b":2})", PayloadMode::kDeleteKeys, "", {"de"}), R"({"b":2})");
}

TEST(EditPayload, DeletesByPath) {
  const std::string old = R"({"a":{"b":1,"c":{"d":2}},"a.b":3,"l":[{"x":1,"y":2},[{"x":3}],4],"s":"t"})";
  EXPECT_EQ(edited(old, PayloadMode::kDeleteKeys, "", {"a.b", "a.c.d"}),
            R"({"a":{"c":{}},"a.b":3,"l":[{"x":1,"y":2},[{"x":3}],4],"s":"t"})");
  EXPECT_EQ(edited(old, PayloadMode::kDeleteKeys, "", {R"("a.b")", "a.b.c", "s.t"}),
            R"({"a":{"b":1,"c":{"d":2}},"l":[{"x":1,"y":2},[{"x":3}],4],"s":"t"})");
  EXPECT_EQ(edited(old, PayloadMode::kDeleteKeys, "", {"l.x", "a"}), R"({"a.b":3,"l":[{"y":2},[{}],4],"s":"t"})");
  EXPECT_EQ(edited(old, PayloadMode::kDeleteKeys, "", {"a.b.c", "s.t", "none"}), "unchanged");
}

TEST(EditPayload, SetsShallowlyAndKeepsNulls) {
  EXPECT_EQ(edited(R"({"a":{"x":1},"b":2})", PayloadMode::kSet, R"({"a":{"y":null}})"), R"({"a":{"y":null},"b":2})");
}

TEST(EditPayload, ReplacesByteForByteDeletesKeysAndClears) {
  EXPECT_EQ(edited(R"({"a":1})", PayloadMode::kReplace, R"({ "z" : 1e2 })"), R"({ "z" : 1e2 })");
  EXPECT_EQ(edited(R"({"a":1,"b":2,"c":3})", PayloadMode::kDeleteKeys, "", {"a", "c", "none"}), R"({"b":2})");
  EXPECT_EQ(edited(R"({"a":1})", PayloadMode::kClear, ""), "");
}

TEST(EditPayload, SaysWhenNothingChanges) {
  EXPECT_EQ(edited(R"({ "a" : 1 })", PayloadMode::kMerge, R"({"a":1,"b":null})"), "unchanged");
  EXPECT_EQ(edited("", PayloadMode::kMerge, "{}"), "unchanged");
  EXPECT_EQ(edited(R"({"a":1})", PayloadMode::kDeleteKeys, "", {"b"}), "unchanged");
  EXPECT_EQ(edited("", PayloadMode::kClear, ""), "unchanged");
}

TEST(EditPayload, RefusesToGrowPastTheLimitButLetsShrink) {
  const std::string half = R"(":")" + std::string(kMaxMergedPayloadBytes / 2, 'x') + R"("})";
  const auto grown = edit_payload(R"({"a)" + half, PayloadMode::kMerge, R"({"b)" + half, {});
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().type, ErrorType::kPayloadTooLarge);
  const std::string big = R"({"k":1,"a":")" + std::string(2 * kMaxMergedPayloadBytes, 'x') + R"("})";
  EXPECT_TRUE(edit_payload(big, PayloadMode::kDeleteKeys, "", std::vector<std::string>{"k"}));
}

TEST(EditPayload, RefusesWhatIsNoObject) {
  EXPECT_EQ(edit_payload("{}", PayloadMode::kMerge, "[1]", {}).error().type, ErrorType::kBadJson);
}

TEST(ProjectPayload, KeepsTheListedKeysByteForByte) {
  const std::string payload = R"({ "a" : 1.50 , "b":{"a":[1,{"c":"}]"}]},"c":"x\"},{" ,"d\u0065":null, "e":[]})";
  const auto only = [&](std::vector<std::string> keys) {
    return project_payload(payload, std::span(std::as_const(keys)));
  };
  EXPECT_EQ(only({"b"}), R"({"b":{"a":[1,{"c":"}]"}]}})");
  EXPECT_EQ(only({"e", "a"}), R"({"a":1.50,"e":[]})");
  EXPECT_EQ(only({"c"}), R"({"c":"x\"},{"})");
  EXPECT_EQ(only({"de"}), R"({"d\u0065":null})");
  EXPECT_EQ(only({"none"}), "{}");
  EXPECT_EQ(only({"b.a"}), R"({"b":{"a":[1,{"c":"}]"}]}})");
  EXPECT_EQ(only({"b.a.c"}), R"({"b":{"a":[{"c":"}]"}]}})");
  EXPECT_EQ(only({"b.none", "a.b", "e.x"}), "{}");
  EXPECT_EQ(only({"b.a", "b"}), R"({"b":{"a":[1,{"c":"}]"}]}})");
  EXPECT_EQ(project_payload(R"({"a.b":1,"a":{"b":2,"c":3}})", std::vector<std::string>{"a.b"}), R"({"a":{"b":2}})");
  EXPECT_EQ(project_payload(R"({"a.b":1,"a":{"b":2}})", std::vector<std::string>{R"("a.b")"}), R"({"a.b":1})");
  EXPECT_EQ(project_payload("", std::span<const std::string>()), "");
  EXPECT_EQ(project_payload("{}", std::vector<std::string>{"a"}), "{}");
}

}  // namespace
}  // namespace vectorizer::shard
