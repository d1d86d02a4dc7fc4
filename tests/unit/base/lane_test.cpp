#include "vectorizer/base/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace vectorizer {
namespace {

TEST(Lane, RunsWhatWasQueuedBeforeItStops) {
  std::atomic<int> ran = 0;
  {
    Lane lane("test", 2, 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(lane.try_post([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 50);
}

TEST(Lane, RefusesBeyondItsQueueLimit) {
  std::latch running(1), release(1);
  Lane lane("test", 1, 2);
  ASSERT_TRUE(lane.try_post([&] {
    running.count_down();
    release.wait();
  }));
  running.wait();

  EXPECT_TRUE(lane.try_post([] {}));
  EXPECT_TRUE(lane.try_post([] {}));
  EXPECT_FALSE(lane.try_post([] {}));
  EXPECT_EQ(lane.depth(), 2U);

  release.count_down();
}

TEST(Lane, RefusesOnceStopped) {
  Lane lane("test", 1, 10);
  lane.stop();

  EXPECT_FALSE(lane.try_post([] {}));
}

}  // namespace
}  // namespace vectorizer
