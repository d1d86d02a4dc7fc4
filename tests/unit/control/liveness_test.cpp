#include "liveness.hpp"

#include <gtest/gtest.h>

#include "vectorizer/control/lease.hpp"

namespace vectorizer::control {
namespace {

using std::chrono::milliseconds;

struct ManualTime {
  BootTime now = std::chrono::hours(1);
  BootClock clock() {
    return [this] { return now; };
  }
};

peer::Beat beat_of(const char* node) {
  peer::Beat beat;
  beat.node = NodeId(node);
  return beat;
}

TEST(Lease, EndsBeforeTheLeaderGivesTheShardsAway) {
  ManualTime time;
  Lease lease(time.clock());
  Liveness leader(time.clock());
  leader.elected();
  EXPECT_FALSE(lease.valid());
  const auto sent = time.now;
  time.now += milliseconds(200);  // on the way
  leader.granted(beat_of("a"));
  time.now += milliseconds(200);
  lease.granted(sent);
  bool held_while_dead = false;
  for (int step = 0; step < 5000; ++step, time.now += milliseconds(1)) {
    held_while_dead = held_while_dead || (lease.valid() && leader.dead(NodeId("a")));
  }
  EXPECT_FALSE(held_while_dead);
  EXPECT_FALSE(lease.valid());
  EXPECT_TRUE(leader.dead(NodeId("a")));
}

TEST(Lease, AnOldAnswerDoesNotShortenANewerOne) {
  ManualTime time;
  Lease lease(time.clock());
  lease.granted(time.now);
  lease.granted(time.now - milliseconds(2600));
  time.now += milliseconds(2600);
  EXPECT_TRUE(lease.valid());
  time.now += milliseconds(100);
  EXPECT_FALSE(lease.valid());
}

peer::Beat report_of(const char* node, const char* unreachable) {
  auto beat = beat_of(node);
  beat.unreachable = {NodeId(unreachable)};
  return beat;
}

TEST(Liveness, ANodeThatAMajorityOfAllCannotReachIsUnreachable) {
  ManualTime time;
  Liveness leader(time.clock());
  leader.elected();
  const NodeId target("c");
  leader.granted(report_of("a", "c"));
  EXPECT_FALSE(leader.unreachable(target, 3));  // it may be the one that is cut off
  leader.granted(report_of("c", "c"));
  EXPECT_FALSE(leader.unreachable(target, 3)) << "its own report does not count";
  leader.granted(report_of("b", "c"));
  EXPECT_TRUE(leader.unreachable(target, 3));
  EXPECT_FALSE(leader.unreachable(target, 4));
  EXPECT_FALSE(leader.unreachable(NodeId("a"), 3));
  leader.granted(beat_of("b"));  // it reaches it again
  EXPECT_FALSE(leader.unreachable(target, 3));
}

TEST(Liveness, AReportCountsForAsLongAsALease) {
  ManualTime time;
  Liveness leader(time.clock());
  leader.elected();
  leader.granted(report_of("a", "c"));
  leader.granted(report_of("b", "c"));
  time.now += milliseconds(3000);
  EXPECT_TRUE(leader.unreachable(NodeId("c"), 3));
  time.now += milliseconds(1);
  EXPECT_FALSE(leader.unreachable(NodeId("c"), 3));
}

TEST(Liveness, ANewLeaderCountsFromItsElection) {
  ManualTime time;
  Liveness leader(time.clock());
  leader.elected();
  leader.granted(beat_of("a"));
  time.now += milliseconds(2900);
  leader.elected();
  EXPECT_FALSE(leader.last(NodeId("a")));
  time.now += milliseconds(2900);
  EXPECT_FALSE(leader.dead(NodeId("a"))) << "the leader before may have granted it a lease just before the election";
  time.now += milliseconds(200);
  EXPECT_TRUE(leader.dead(NodeId("a")));
}

}  // namespace
}  // namespace vectorizer::control
