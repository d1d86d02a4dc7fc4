#include "vectorizer/coordinator/snapshot_admin.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "member_cluster.hpp"

namespace vectorizer::coordinator {
namespace {

using peer::SnapshotInfo;
using peer::SnapshotOrder;
using peer::SnapshotState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// The snapshots of one node, without a disk.
class Shelf {
 public:
  Result<std::vector<SnapshotInfo>> handle(const SnapshotOrder& order) {
    const std::lock_guard lock(mutex_);
    if (away) return Error{ErrorType::kNodeUnreachable, "away"};
    const auto found = all_.find(order.name);
    switch (order.kind) {
      case SnapshotOrder::Kind::kList:
        break;
      case SnapshotOrder::Kind::kCreate: {
        if (refuse) return *refuse;
        auto& info = all_[order.name];
        info.name = order.name;
        info.state = made;
        info.created_at_ms = ++clock;
        info.bytes = 10;
        info.nodes = order.nodes;
        info.points = points;
        if (made == SnapshotState::kFailed) info.problems = {"no room"};
        break;
      }
      case SnapshotOrder::Kind::kVerify:
        if (found == all_.end()) return Error{ErrorType::kNotFound, "absent"};
        found->second.state = verified;
        break;
      case SnapshotOrder::Kind::kRemove:
        if (found == all_.end()) return Error{ErrorType::kNotFound, "absent"};
        all_.erase(found);
        break;
    }
    std::vector<SnapshotInfo> list;
    for (const auto& [name, info] : all_) list.push_back(info);
    return list;
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, info] : all_) names.push_back(name);
    return names;
  }

  bool away = false;
  std::optional<Error> refuse;
  SnapshotState made = SnapshotState::kComplete, verified = SnapshotState::kComplete;
  std::vector<peer::SnapshotPoint> points;
  std::int64_t clock = 0;

 private:
  std::mutex mutex_;
  std::map<std::string, SnapshotInfo> all_;
};

class SnapshotAdminTest : public coordinator::testing::MemberClusterTest {
 protected:
  void begin(int nodes, std::uint32_t factor) {
    start(nodes);
    create(6, factor);
    fill(5);
    for (int number = 1; number <= nodes; ++number) {
      auto& shelf = shelves[node(number)];
      peer(node(number)).on_snapshot = [&shelf](const SnapshotOrder& order) { return shelf.handle(order); };
    }
    const auto all = metadata.current();
    for (const auto& [id, shard] : all->placements) {
      for (const auto& copy : shard.copies) shelves[copy.node].points.push_back({id, 1, 5});
    }
    SnapshotAdminOptions options;
    options.self = node(1);
    options.wait = std::chrono::milliseconds(200);
    admin = make_snapshot_admin(options, metadata, peers);
  }
  std::set<NodeId> primaries() const {
    std::set<NodeId> found;
    for (const auto& [id, shard] : metadata.current()->placements) found.insert(shard.primary);
    return found;
  }

  std::map<NodeId, Shelf> shelves;
  std::unique_ptr<SnapshotAdmin> admin;
};

TEST_F(SnapshotAdminTest, OneOfTheClusterIsOnEveryNode) {
  begin(3, 2);

  const auto made = admin->create("nightly", SnapshotScope::kCluster);

  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, "complete");
  EXPECT_EQ(made->bytes, 30U);
  EXPECT_EQ(made->points.size(), 6U);
  for (auto& [id, shelf] : shelves) EXPECT_THAT(shelf.names(), ElementsAre("nightly"));
  EXPECT_EQ(admin->list(SnapshotScope::kCluster).size(), 1U);
  ASSERT_TRUE(admin->remove("nightly", SnapshotScope::kCluster));
  EXPECT_THAT(admin->list(SnapshotScope::kCluster), IsEmpty());
  EXPECT_EQ(admin->remove("nightly", SnapshotScope::kCluster).error().type, ErrorType::kNotFound);
}

TEST_F(SnapshotAdminTest, OneOfANodeIsThereAlone) {
  begin(3, 2);
  const auto made = admin->create("mine", SnapshotScope::kNode);
  ASSERT_TRUE(made);
  EXPECT_THAT(shelves[node(1)].names(), ElementsAre("mine"));
  EXPECT_THAT(shelves[node(2)].names(), IsEmpty());
  EXPECT_EQ(made->status, "complete");
  EXPECT_EQ(admin->create("mine", SnapshotScope::kCluster).error().type, ErrorType::kConflict);
}

TEST_F(SnapshotAdminTest, WithoutAShardsPrimaryNothingIsMade) {
  begin(3, 2);
  const auto shard = ShardId(0);
  propose(cluster::Promote{shard, placement(0).term, placement(0).isr_version, NodeId()});

  const auto refused = admin->create("nightly", SnapshotScope::kCluster);

  EXPECT_EQ(refused.error().type, ErrorType::kShardUnavailable);
  for (auto& [id, shelf] : shelves) EXPECT_THAT(shelf.names(), IsEmpty());
}

TEST_F(SnapshotAdminTest, APrimaryThatCannotTakePartLeavesNothingBehind) {
  begin(3, 2);
  shelves[node(2)].refuse = Error{ErrorType::kStorageFull, "full"};

  const auto refused = admin->create("nightly", SnapshotScope::kCluster);

  EXPECT_EQ(refused.error().type, ErrorType::kStorageFull);
  EXPECT_THAT(refused.error().message, HasSubstr("node-2"));
  for (auto& [id, shelf] : shelves) EXPECT_THAT(shelf.names(), IsEmpty());
}

TEST_F(SnapshotAdminTest, ANodeThatLeadsNothingMayBeAway) {
  begin(3, 3);
  for (std::uint64_t id = 0; id < 6; ++id) {
    if (placement(id).primary == node(3)) {
      propose(cluster::Promote{ShardId(id), placement(id).term, placement(id).isr_version, node(2)});
    }
  }
  shelves[node(3)].away = true;

  const auto made = admin->create("nightly", SnapshotScope::kCluster);

  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, "incomplete");
  EXPECT_EQ(made->points.size(), 6U);
  ASSERT_EQ(made->nodes.size(), 3U);
  EXPECT_EQ(made->nodes[2].problem, "away");
}

TEST_F(SnapshotAdminTest, ANodeThatFailsLaterLeavesNothingBehind) {
  begin(3, 2);
  shelves[node(3)].made = SnapshotState::kFailed;

  const auto failed = admin->create("nightly", SnapshotScope::kCluster);

  EXPECT_THAT(failed.error().message, HasSubstr("no room"));
  for (auto& [id, shelf] : shelves) EXPECT_THAT(shelf.names(), IsEmpty());
}

TEST_F(SnapshotAdminTest, ASnapshotThatMissesSomethingAcknowledgedIsNone) {
  begin(1, 1);
  shelves[node(1)].points[3].sequence = 4;  // 5 were acknowledged

  const auto failed = admin->create("nightly", SnapshotScope::kCluster);

  EXPECT_EQ(failed.error().type, ErrorType::kShardUnavailable);
  EXPECT_THAT(shelves[node(1)].names(), IsEmpty());
}

TEST_F(SnapshotAdminTest, TheWorstNodeSaysWhatASnapshotIs) {
  begin(3, 2);
  ASSERT_TRUE(admin->create("nightly", SnapshotScope::kCluster));
  shelves[node(3)].verified = SnapshotState::kDamaged;
  EXPECT_EQ(admin->verify("nightly", SnapshotScope::kCluster)->status, "damaged");
  shelves[node(2)].verified = SnapshotState::kVerifying;
  EXPECT_EQ(admin->verify("nightly", SnapshotScope::kCluster)->status, "damaged");
  shelves[node(3)].verified = SnapshotState::kComplete;
  EXPECT_EQ(admin->verify("nightly", SnapshotScope::kCluster)->status, "verifying") << "after the wait";
  EXPECT_EQ(admin->verify("absent", SnapshotScope::kCluster).error().type, ErrorType::kNotFound);
}

TEST_F(SnapshotAdminTest, OneThatTakesLongIsSaidToBeUnderWay) {
  begin(2, 1);
  shelves[node(2)].made = SnapshotState::kCreating;
  EXPECT_EQ(admin->create("nightly", SnapshotScope::kCluster)->status, "creating");
}

TEST_F(SnapshotAdminTest, ScheduledOnesGoWhenThereAreTooMany) {
  begin(1, 1);
  ASSERT_TRUE(admin->create("by-hand", SnapshotScope::kCluster));
  for (const char* name : {"auto-1", "auto-2", "auto-3", "auto-4"}) {
    ASSERT_TRUE(admin->create(name, SnapshotScope::kCluster));
  }
  SnapshotAdminOptions options;
  options.self = node(1);
  options.interval = std::chrono::seconds(3600);
  options.keep = 2;
  admin = make_snapshot_admin(options, metadata, peers);  // all of those are older than an hour
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (shelves[node(1)].names().size() != 3 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  admin->stop();

  const auto names = shelves[node(1)].names();
  ASSERT_EQ(names.size(), 3U);
  EXPECT_EQ(std::count(names.begin(), names.end(), "by-hand"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "auto-4"), 1) << "the newest of the old ones";
}

}  // namespace
}  // namespace vectorizer::coordinator
