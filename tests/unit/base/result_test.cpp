#include "vectorizer/base/result.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vectorizer {
namespace {

TEST(Error, DetailsAreAJsonObjectInTheOrderAdded) {
  auto error = Error{ErrorType::kDimensionMismatch, "no"}.with("expected", 512).with("id", "a\"b");

  EXPECT_EQ(error.details, R"({"expected":512,"id":"a\"b"})");
}

TEST(Error, EveryTypeHasItsOwnNameAndAnErrorStatus) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ErrorType::kTimeout); ++i) {
    const auto type = static_cast<ErrorType>(i);
    EXPECT_TRUE(names.insert(error_type_name(type)).second) << error_type_name(type);
    EXPECT_GE(http_status(type), 400);
    EXPECT_LT(http_status(type), 600);
  }
  EXPECT_EQ(http_status(ErrorType::kOverloaded), 429);
  EXPECT_EQ(http_status(ErrorType::kPartialWrite), 503);
}

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_field("value", "must be even");
  return value / 2;
}

Result<int> quarter(int value) {
  ASSIGN_OR_RETURN(const auto once, half(value));
  return half(once);
}

TEST(Result, AssignOrReturnPassesTheFirstErrorOn) {
  EXPECT_EQ(*quarter(12), 3);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message, "value: must be even");
}

}  // namespace
}  // namespace vectorizer
