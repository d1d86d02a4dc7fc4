#include "watchdog.hpp"

#include <gtest/gtest.h>

namespace vectorizer::control {
namespace {

using std::chrono::milliseconds;
using Verdict = Watchdog::Verdict;

/// The disk hangs from `now` on; the process looks every quarter of a second.
struct HangingDisk {
  BootTime now = std::chrono::hours(1);
  const BootTime since = now;
  Watchdog watchdog;

  Verdict look() { return watchdog.look(std::chrono::duration_cast<milliseconds>(now - since), now); }
  Verdict look_until(BootTime after) {
    auto verdict = look();
    for (; now - since < after; verdict = look()) now += Watchdog::kInterval;
    return verdict;
  }
};

TEST(Watchdog, ADiskThatDoesNotAnswerIsSlowAndThenHung) {
  HangingDisk disk;
  EXPECT_EQ(disk.look_until(milliseconds(4750)), Verdict::kWorks);
  EXPECT_EQ(disk.look_until(milliseconds(5000)), Verdict::kSlow);
  EXPECT_EQ(disk.look_until(milliseconds(29750)), Verdict::kSlow);
  EXPECT_EQ(disk.look_until(milliseconds(30000)), Verdict::kHung);
  EXPECT_EQ(disk.watchdog.look(milliseconds(0), disk.now), Verdict::kWorks);
}

TEST(Watchdog, AProcessThatWasStoppedDidNotWaitForItsDisk) {
  HangingDisk disk;
  EXPECT_EQ(disk.look_until(milliseconds(1000)), Verdict::kWorks);
  disk.now += std::chrono::minutes(1);  // SIGSTOP, or a machine that slept
  EXPECT_EQ(disk.look(), Verdict::kWorks);
  EXPECT_EQ(disk.look_until(milliseconds(61000 + 4750)), Verdict::kWorks);
  EXPECT_EQ(disk.look_until(milliseconds(61000 + 5000)), Verdict::kSlow);
}

}  // namespace
}  // namespace vectorizer::control
