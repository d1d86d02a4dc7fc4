#include "vectorizer/cluster/hash_ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "vectorizer/model/point_id.hpp"

namespace vectorizer::cluster {
namespace {

std::vector<std::string> labels(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("shard-" + std::to_string(i));
  return names;
}

TEST(HashRing, ALargeSetOfIdsOverFourShardsStaysWithinTenPercentOfEven) {
  const HashRing ring(labels(4), 100);
  std::vector<int> held(4, 0);
  for (std::uint64_t i = 0; i < 100000; ++i) ++held[ring.owner(PointId(i).hash())];

  for (const int count : held) EXPECT_NEAR(count, 25000, 2500);
}

TEST(HashRing, TheSameMembersOwnTheSameKeysInEveryBuild) {
  // Recorded values: points would be looked for in the wrong shard if these ever changed without a new ring version.
  const HashRing ring(labels(6), 100);
  std::string owners;
  for (std::uint64_t i = 0; i < 24; ++i) owners += std::to_string(ring.owner(PointId(i).hash()));
  owners += std::to_string(ring.owner(PointId(std::string("a")).hash()));

  EXPECT_EQ(owners, "0113035154405520250022242");
}

TEST(HashRing, AddingAMemberMovesOnlyAboutItsShare) {
  // One circle only: with more virtual nodes than the search bound allows, no salt is chosen between.
  const HashRing before(labels(5), 60000), after(labels(6), 60000);
  int moved = 0, moved_to_old = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto hash = PointId(i).hash();
    if (before.owner(hash) == after.owner(hash)) continue;
    ++moved;
    if (after.owner(hash) != 5) ++moved_to_old;
  }

  EXPECT_NEAR(moved, 20000 / 6, 400);
  EXPECT_EQ(moved_to_old, 0);
}

TEST(HashRing, OwnersAreDistinctAndBeginWithTheOwner) {
  const HashRing ring(labels(5), 50);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto hash = PointId(i).hash();
    const auto owners = ring.owners(hash, 3);
    ASSERT_EQ(owners.size(), 3U);
    EXPECT_EQ(owners.front(), ring.owner(hash));
    EXPECT_EQ(std::set<std::size_t>(owners.begin(), owners.end()).size(), 3U);
  }
  EXPECT_EQ(ring.owners(42, 9).size(), 5U);
}

TEST(HashRing, SharesAddUpToTheWholeCircle) {
  for (const std::size_t members : {1U, 2U, 7U}) {
    const auto shares = HashRing(labels(members), 20).shares();
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-9);
  }
}

}  // namespace
}  // namespace vectorizer::cluster
