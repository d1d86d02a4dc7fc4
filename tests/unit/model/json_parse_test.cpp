#include "vectorizer/model/json_parse.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace vectorizer {
namespace {

std::size_t offset_of(const Error& error) {
  const auto details = nlohmann::json::parse(error.details, nullptr, false);
  return details.is_object() && details.contains("offset") ? details["offset"].get<std::size_t>() : SIZE_MAX;
}

TEST(JsonParse, ReadsEveryKindOfValue) {
  const auto parsed = parse_json(R"( {"a":[1,-2,18446744073709551615,1.5,true,false,null,"x\u00e9"],"b":{"c":{}}} )");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& json = *parsed;
  EXPECT_EQ(json["a"].size(), 8U);
  EXPECT_EQ(json["a"][1], -2);
  EXPECT_EQ(json["a"][2].get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(json["a"][7], "x\xc3\xa9");
  EXPECT_TRUE(json["b"]["c"].is_object());
  EXPECT_EQ(*parse_json("7"), 7);
}

TEST(JsonParse, NamesTheByteWhereItStopped) {
  const struct {
    std::string_view text;
    std::size_t offset;
  } cases[] = {
      {R"({"a":1,})", 7},      {R"({"a" 1})", 5}, {"[1] x", 4},
      {"{\"a\":\"\xff\"}", 6}, {"[nul]", 4},      {R"({"a":1,"a":2})", 9},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_json(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_EQ(parsed.error().type, ErrorType::kBadJson);
    EXPECT_EQ(offset_of(parsed.error()), c.offset) << c.text << ": " << parsed.error().message;
  }
}

TEST(JsonParse, RefusesWhatIsNotJson) {
  for (const std::string_view text :
       {"", " ", "NaN", "Infinity", "[1e999]", "{'a':1}", "[01]", "[1,]", "\"\\ud800\"", "\"\xed\xa0\x80\"",
        "\"\xc0\xaf\"", "{\"\xf8\":1}", "\"\x01\"", "[", "]", "\xEF\xBB\xBF[]"}) {
    const auto parsed = parse_json(text);
    EXPECT_FALSE(parsed) << text;
    if (!parsed) {
      EXPECT_EQ(parsed.error().type, ErrorType::kBadJson) << text;
    }
  }
}

TEST(JsonParse, ErrorsDoNotEchoTheClientsBytes) {
  const auto parsed = parse_json("{\"secret\xff\":1}");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message.find("secret"), std::string::npos);
  for (const char c : parsed.error().message) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(JsonParse, LimitsDepthExactly) {
  EXPECT_TRUE(parse_json("1", 0));
  EXPECT_FALSE(parse_json("[]", 0));
  EXPECT_TRUE(parse_json("[[{}]]", 3));
  const auto deep = parse_json("[[{\"a\":[]}]]", 3);
  ASSERT_FALSE(deep);
  EXPECT_EQ(offset_of(deep.error()), 7U);
  EXPECT_TRUE(parse_json(std::string(32, '[') + std::string(32, ']')));
  EXPECT_FALSE(parse_json(std::string(33, '[') + std::string(33, ']')));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
}

TEST(JsonParse, PayloadMustBeAnObject) {
  EXPECT_TRUE(validate_json_object("{}"));
  EXPECT_TRUE(validate_json_object(R"({"a":[{"a":1},{"a":2}]})"));
  for (const std::string_view text : {"", "[]", "1", "null", "{", R"({"a":1,"a":1})"}) {
    const auto valid = validate_json_object(text);
    ASSERT_FALSE(valid) << text;
    EXPECT_EQ(valid.error().type, ErrorType::kBadJson) << text;
  }
}

}  // namespace
}  // namespace vectorizer
