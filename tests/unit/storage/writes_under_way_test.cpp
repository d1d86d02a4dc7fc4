#include "writes_under_way.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace vectorizer::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(WritesUnderWay, TheOldestCountsUntilItEnds) {
  WritesUnderWay writes;
  const WritesUnderWay::Clock::time_point start{seconds(100)};
  EXPECT_EQ(writes.longest(start), milliseconds(0));
  std::optional<WritesUnderWay::Write> first, second;
  first.emplace(writes, start);
  second.emplace(writes, start + seconds(2));
  EXPECT_EQ(writes.longest(start + seconds(5)), milliseconds(5000));
  first.reset();
  EXPECT_EQ(writes.longest(start + seconds(5)), milliseconds(3000));
  second.reset();
  EXPECT_EQ(writes.longest(start + seconds(5)), milliseconds(0));
}

}  // namespace
}  // namespace vectorizer::storage
