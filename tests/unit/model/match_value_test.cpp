#include "vectorizer/model/match_value.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer {
namespace {

MatchValue value_of(std::string_view text) {
  return *match_value_of(*parse_json(text));
}

TEST(MatchValue, NumbersAreEqualByValueWhateverTheyAreWrittenAs) {
  const std::pair<const char*, const char*> equal[] = {{"1", "1.0"},
                                                       {"1", "1e0"},
                                                       {"0", "-0.0"},
                                                       {"-5", "-5.0"},
                                                       {"9007199254740992", "9007199254740992.0"},
                                                       {"9223372036854775808", "9223372036854775808.0"},
                                                       {"-9223372036854775808", "-9223372036854775808.0"},
                                                       {"100000000000000000000", "1e20"}};
  for (const auto& [a, b] : equal) {
    EXPECT_EQ(value_of(a), value_of(b)) << a << " " << b;
    EXPECT_TRUE(compare_values(value_of(a), value_of(b)) == 0) << a << " " << b;
  }
}

TEST(MatchValue, OrdersExactlyAcrossTypes) {
  const char* const ascending[] = {"null",
                                   "false",
                                   "true",
                                   "-1e300",
                                   "-9223372036854775808",
                                   "-9223372036854775807",
                                   "-1.5",
                                   "-1",
                                   "-0.5",
                                   "0",
                                   "5e-324",
                                   "0.5",
                                   "1",
                                   "1.5",
                                   "9007199254740992.0",
                                   "9007199254740993",
                                   "9007199254740994",
                                   "9223372036854775807",
                                   "9223372036854775808.0",
                                   "9223372036854775809",
                                   "18446744073709551615",
                                   "18446744073709551616.0",
                                   "1e300",
                                   "\"\"",
                                   "\"1\"",
                                   "\"a\"",
                                   "\"\xc3\xa9\""};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      const auto order = compare_values(value_of(ascending[i]), value_of(ascending[j]));
      EXPECT_EQ(order < 0, i < j) << ascending[i] << " " << ascending[j];
      EXPECT_EQ(order > 0, i > j) << ascending[i] << " " << ascending[j];
    }
  }
}

TEST(MatchValue, ArraysAndObjectsAreNone) {
  EXPECT_FALSE(match_value_of(nlohmann::json::array()));
  EXPECT_FALSE(match_value_of(nlohmann::json::object()));
}

}  // namespace
}  // namespace vectorizer
