#include "vectorizer/base/json_text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <random>

namespace vectorizer {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EscapesWhatJsonForbidsAndNothingElse) {
  EXPECT_EQ(quoted("plain ü"), "\"plain ü\"");
  EXPECT_EQ(quoted("a\"b\\c\nd\re\tf"), R"("a\"b\\c\nd\re\tf")");
  EXPECT_EQ(quoted(std::string_view("\x00\x1f", 2)), R"("\u0000\u001f")");
  EXPECT_EQ(quoted(""), "\"\"");
}

TEST(JsonText, FloatsReadBackAsTheSameFloat) {
  std::mt19937 random(7);
  for (int i = 0; i < 10000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value;
    static_assert(sizeof value == sizeof bits);
    __builtin_memcpy(&value, &bits, sizeof value);
    std::string out;
    append_json_float(out, value);
    if (value - value != 0) {
      EXPECT_EQ(out, "null");
    } else {
      EXPECT_EQ(std::strtof(out.c_str(), nullptr), value) << out;
    }
  }
}

}  // namespace
}  // namespace vectorizer
