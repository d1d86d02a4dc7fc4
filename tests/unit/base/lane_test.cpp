#include "vectorizer/base/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

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

TEST(Lane, KnowsHowLongItsFirstTaskWaits) {
  std::latch running(1), release(1);
  Lane lane("test", 1, 2);
  EXPECT_EQ(lane.longest_wait().count(), 0);
  ASSERT_TRUE(lane.try_post([&] {
    running.count_down();
    release.wait();
  }));
  running.wait();
  EXPECT_EQ(lane.longest_wait().count(), 0);  // that one runs
  ASSERT_TRUE(lane.try_post([] {}));
  const auto begin = std::chrono::steady_clock::now();
  while (lane.longest_wait().count() < 20) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    std::this_thread::yield();
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(19));
  release.count_down();
}

TEST(Lane, RefusesOnceStopped) {
  Lane lane("test", 1, 10);
  lane.stop();

  EXPECT_FALSE(lane.try_post([] {}));
}

}  // namespace
}  // namespace vectorizer
