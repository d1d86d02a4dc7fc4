#include "disk_space.hpp"

#include <gtest/gtest.h>

namespace vectorizer::storage {
namespace {

constexpr std::uint64_t kGigabyte = 1ULL << 30;

/// A disk and a clock that the test moves.
struct Fixture {
  DiskSpace::Clock::time_point now{};
  std::optional<DiskSpace::Space> space;
  int probes = 0;
  DiskSpace disk;

  Fixture(DiskSpace::Space start, std::uint64_t min_free)
      : space(start),
        disk(
            [this] {
              ++probes;
              return space;
            },
            min_free, [this] { return now; }) {}
};

TEST(DiskSpace, IsFullBelowTheWatermarkAndHasRoomAgainAbove) {
  Fixture f({kGigabyte, 100 * kGigabyte}, kGigabyte);
  EXPECT_FALSE(f.disk.full());
  f.space->free_bytes = kGigabyte - 1;
  f.now += DiskSpace::kFreshness;
  EXPECT_TRUE(f.disk.full());
  EXPECT_EQ(f.disk.free_bytes(), kGigabyte - 1);
  f.space->free_bytes = kGigabyte;
  f.now += DiskSpace::kFreshness;
  EXPECT_FALSE(f.disk.full());
}

TEST(DiskSpace, ASmallDiskHasAWatermarkOfFivePerCent) {
  Fixture f({kGigabyte / 20, kGigabyte}, kGigabyte);
  EXPECT_FALSE(f.disk.full());
  f.space->free_bytes = kGigabyte / 20 - 1;
  f.now += DiskSpace::kFreshness;
  EXPECT_TRUE(f.disk.full());
}

TEST(DiskSpace, HasRoomForWhatDoesNotMakeItFull) {
  Fixture f({3 * kGigabyte, 100 * kGigabyte}, kGigabyte);
  EXPECT_TRUE(f.disk.has_room_for(2 * kGigabyte));
  EXPECT_FALSE(f.disk.has_room_for(2 * kGigabyte + 1));
  f.space->free_bytes = kGigabyte - 1;
  f.now += DiskSpace::kFreshness;
  EXPECT_FALSE(f.disk.has_room_for(0));
}

TEST(DiskSpace, AsksTheSystemOncePerSecond) {
  Fixture f({kGigabyte, kGigabyte}, 1);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(f.disk.full());
  EXPECT_EQ(f.probes, 1);
  f.now += DiskSpace::kFreshness;
  EXPECT_EQ(f.disk.free_bytes(), kGigabyte);
  EXPECT_EQ(f.probes, 2);
}

TEST(DiskSpace, ADiskThatDoesNotAnswerKeepsItsLastState) {
  Fixture f({0, 100 * kGigabyte}, kGigabyte);
  EXPECT_TRUE(f.disk.full());
  f.space.reset();
  f.now += DiskSpace::kFreshness;
  EXPECT_TRUE(f.disk.full());
}

TEST(DiskSpace, TheRealDiskAnswers) {
  const auto space = probe_of("/")();
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_FALSE(probe_of("/no/such/directory")());
}

}  // namespace
}  // namespace vectorizer::storage
