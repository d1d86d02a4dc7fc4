#include "reachability.hpp"

#include <gmock/gmock.h>

#include <set>

namespace vectorizer::control {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReachabilityTest : public ::testing::Test {
 protected:
  void rounds(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += Reachability::kInterval) {
      now_ += Reachability::kInterval;
      reachability_.round();
      reachability_.wait();
    }
  }

  BootTime now_ = std::chrono::hours(1);
  std::vector<NodeId> members_{NodeId("a"), NodeId("b")};
  std::set<NodeId> silent_;
  Reachability reachability_{[this] { return members_; },
                             [this](const NodeId& node) { return !silent_.contains(node); }, [this] { return now_; }};
};

TEST_F(ReachabilityTest, AMemberThatDoesNotAnswerForLongIsUnreachableUntilItDoes) {
  rounds(milliseconds(5000));
  EXPECT_THAT(reachability_.unreachable(), IsEmpty());
  silent_.insert(NodeId("b"));
  rounds(Reachability::kUnreachableAfter);
  EXPECT_THAT(reachability_.unreachable(), IsEmpty());
  rounds(Reachability::kInterval);
  EXPECT_THAT(reachability_.unreachable(), ElementsAre(NodeId("b")));
  rounds(milliseconds(60000));
  EXPECT_THAT(reachability_.unreachable(), ElementsAre(NodeId("b")));
  silent_.clear();
  rounds(Reachability::kInterval);
  EXPECT_THAT(reachability_.unreachable(), IsEmpty());
}

TEST_F(ReachabilityTest, WhoIsNoMemberAnyMoreIsNotReported) {
  silent_.insert(NodeId("b"));
  rounds(milliseconds(3000));
  members_.pop_back();
  rounds(Reachability::kInterval);
  EXPECT_THAT(reachability_.unreachable(), IsEmpty());
}

}  // namespace
}  // namespace vectorizer::control
