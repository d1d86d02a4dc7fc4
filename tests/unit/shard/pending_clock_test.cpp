#include "pending_clock.hpp"

#include <gtest/gtest.h>

namespace vectorizer::shard {
namespace {

using std::chrono::seconds;

TEST(PendingClock, TellsHowLongTheFirstUnindexedSlotHasWaited) {
  PendingClock clock;
  const PendingClock::Clock::time_point start{};
  EXPECT_EQ(clock.oldest_seconds(0, start), 0);
  clock.added(100, start);
  clock.added(200, start + seconds(10));
  EXPECT_EQ(clock.oldest_seconds(0, start + seconds(15)), 15);
  EXPECT_EQ(clock.oldest_seconds(99, start + seconds(15)), 15);
  EXPECT_EQ(clock.oldest_seconds(100, start + seconds(15)), 5);
  EXPECT_EQ(clock.oldest_seconds(200, start + seconds(15)), 0);
  clock.added(201, start + seconds(20));
  EXPECT_EQ(clock.oldest_seconds(200, start + seconds(21)), 1);
}

}  // namespace
}  // namespace vectorizer::shard
