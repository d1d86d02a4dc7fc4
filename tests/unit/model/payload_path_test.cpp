#include "vectorizer/model/payload_path.hpp"

#include <gtest/gtest.h>

namespace vectorizer {
namespace {

TEST(PayloadPath, SplitsAtDotsOutsideQuotes) {
  const struct {
    std::string_view key;
    PayloadPath path;
  } cases[] = {
      {"a", {"a"}},
      {"a.b.c", {"a", "b", "c"}},
      {R"(a."b.c")", {"a", "b.c"}},
      {R"("a.b".c)", {"a.b", "c"}},
      {R"("")", {""}},
      {R"(a."".b)", {"a", "", "b"}},
      {R"("q\"x\\y")", {R"(q"x\y)"}},
      {"with space", {"with space"}},
      {"a[0]", {"a[0]"}},
      {"\xc3\xa9.\xe6\x97\xa5", {"\xc3\xa9", "\xe6\x97\xa5"}},
  };
  for (const auto& c : cases) {
    const auto path = parse_payload_path(c.key);
    ASSERT_TRUE(path) << c.key;
    EXPECT_EQ(*path, c.path) << c.key;
    EXPECT_EQ(parse_payload_path(format_payload_path(*path)), path) << format_payload_path(*path);
  }
}

TEST(PayloadPath, RefusesKeysThatNameNothing) {
  for (const auto* key : {"", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "\"a\\\"", "\"a\\n\"", "a.\"b"}) {
    EXPECT_FALSE(parse_payload_path(key)) << key;
  }
  std::string deep = "a";
  for (int i = 1; i < 32; ++i) deep += ".a";
  EXPECT_TRUE(parse_payload_path(deep));
  EXPECT_FALSE(parse_payload_path(deep + ".a"));
  EXPECT_TRUE(parse_payload_path(std::string(1024, 'k')));
  EXPECT_FALSE(parse_payload_path(std::string(1025, 'k')));
}

}  // namespace
}  // namespace vectorizer
