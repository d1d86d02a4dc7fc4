#include "scrub.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "copy_digest.hpp"
#include "testing/memory_database.hpp"

namespace vectorizer::node {
namespace {

/// Copies of one shard, each in a database of its own; the first is the primary's.
class ScrubTest : public ::testing::Test {
 protected:
  void start(std::size_t copies) {
    for (std::size_t i = 0; i < copies; ++i) {
      disks_.push_back(std::make_unique<testing::MemoryDatabase>());
      stores_.push_back(disks_.back()->open_store(kNumber));
    }
    shard_ = {ShardId(3), 100, 5, {}};
    for (std::size_t i = 1; i < copies; ++i) shard_.others.push_back({name(i), 100 + i});
    ScrubPorts ports;
    ports.led_here = [this] { return std::vector{shard_}; };
    ports.leads = [this](const ScrubbedShard&) { return leads_.load(); };
    ports.read = [this](const ShardId&, const peer::SliceOrder& order) { return read(0, order); };
    ports.ask = [this](const NodeId& node, const ShardId&, const peer::SliceOrder& order) -> Result<peer::CopySlice> {
      for (std::size_t i = 1; i < disks_.size(); ++i) {
        if (node == name(i)) return read(i, order);
      }
      return Error{ErrorType::kNodeUnreachable, "nobody"};
    };
    ports.quarantine = [this](const ScrubbedShard&, std::uint64_t copy, const std::string& why) -> Result<void> {
      condemned_[copy] = why;
      return {};
    };
    ScrubOptions options;
    options.bytes_per_second = 1ULL << 30;
    options.slice_points = 10;
    scrub_ = std::make_unique<Scrub>(options, std::move(ports), metrics_);
  }
  static NodeId name(std::size_t copy) { return NodeId("node-" + std::to_string(copy + 1)); }
  Result<peer::CopySlice> read(std::size_t copy, const peer::SliceOrder& order) {
    return copy_slice(*disks_[copy], kNumber, order);
  }
  void write(std::size_t copy, std::uint64_t sequence, std::uint64_t id, bool deleted = false) {
    storage::StoredWrite write{sequence, deleted, {PointId(id), {}, ""}};
    if (!deleted) write.point.vector = {static_cast<float>(sequence), 1};
    ASSERT_TRUE(stores_[copy]->write(std::span(&write, 1)));
  }
  void fill(std::uint64_t points) {
    for (std::size_t copy = 0; copy < stores_.size(); ++copy) {
      for (std::uint64_t id = 1; id <= points; ++id) write(copy, id, id);
    }
  }
  void round() { scrub_->round({}); }
  double counter(const std::string& name) { return metrics_.counter(name, "").Value(); }

  static constexpr storage::CopyNumber kNumber = 1;
  MetricsRegistry metrics_;
  std::vector<std::unique_ptr<testing::MemoryDatabase>> disks_;
  std::vector<std::unique_ptr<storage::ShardStore>> stores_;
  ScrubbedShard shard_;
  std::atomic<bool> leads_ = true;
  std::map<std::uint64_t, std::string> condemned_;  // by copy: 100 is that of the primary
  std::unique_ptr<Scrub> scrub_;
};

TEST_F(ScrubTest, EqualCopiesAreReadWholeAndStay) {
  start(3);
  fill(95);
  round();
  EXPECT_TRUE(condemned_.empty());
  EXPECT_EQ(counter("vectorizer_scrub_points_total"), 95);
  EXPECT_EQ(counter("vectorizer_scrub_slices_compared_total"), 20);
  EXPECT_EQ(counter("vectorizer_scrub_rounds_total"), 1);
}

TEST_F(ScrubTest, OfTwoCopiesTheOneOfThePrimaryCounts) {
  start(2);
  fill(95);
  disks_[1]->alter(kNumber, PointId(std::uint64_t{77}));
  round();
  ASSERT_EQ(condemned_.size(), 1U);
  EXPECT_NE(condemned_.at(101).find("vector 77"), std::string::npos) << condemned_.at(101);
  EXPECT_EQ(counter("vectorizer_scrub_differences_total"), 1);
}

TEST_F(ScrubTest, AnAlteredPrimaryIsKnownByTwoThatAgree) {
  start(3);
  fill(95);
  disks_[0]->alter(kNumber, PointId(std::uint64_t{50}));
  round();
  ASSERT_EQ(condemned_.size(), 1U);
  EXPECT_TRUE(condemned_.contains(100)) << "its own";
}

TEST_F(ScrubTest, WhatIsLeftOutOrNotDeletedIsFound) {
  start(3);
  fill(95);
  write(0, 96, 40, true);
  write(1, 96, 40, true);
  write(2, 96, 2000);  // instead of the deletion
  round();
  ASSERT_EQ(condemned_.size(), 1U);
  EXPECT_TRUE(condemned_.contains(102));
}

TEST_F(ScrubTest, ACopyThatCannotBeAskedIsNotJudged) {
  start(2);
  fill(5);
  shard_.others.push_back({NodeId("node-9"), 109});
  round();
  EXPECT_TRUE(condemned_.empty());
  leads_ = false;
  disks_[1]->alter(kNumber, PointId(std::uint64_t{1}));
  round();
  EXPECT_TRUE(condemned_.empty()) << "another leads now";
}

TEST_F(ScrubTest, WritesThatGoOnRaiseNoFalseAlarm) {
  start(3);
  fill(40);
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> applied = 40;  // at the primary
  const auto apply = [this](std::size_t copy, std::uint64_t sequence) {
    write(copy, sequence, sequence * 7 % 60, sequence % 3 == 0);
  };
  std::thread primary([&] {
    while (!done) {
      apply(0, applied + 1);
      ++applied;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> followers;
  for (std::size_t copy = 1; copy <= 2; ++copy) {
    followers.emplace_back([&, copy] {
      for (std::uint64_t at = 40; !done; std::this_thread::yield()) {
        while (at < applied) apply(copy, ++at);
      }
    });
  }
  for (int i = 0; i < 3; ++i) round();
  EXPECT_TRUE(condemned_.empty()) << condemned_.begin()->second;
  done = true;
  primary.join();
  for (auto& follower : followers) follower.join();
}

TEST_F(ScrubTest, ADifferenceIsFoundWhileWritesGoOn) {
  start(2);
  fill(60);
  disks_[1]->alter(kNumber, PointId(std::uint64_t{33}));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t sequence = 61; !done; ++sequence) {
      write(0, sequence, 100 + sequence % 5);
      write(1, sequence, 100 + sequence % 5);
    }
  });
  round();
  done = true;
  writer.join();
  EXPECT_TRUE(condemned_.contains(101));
}

}  // namespace
}  // namespace vectorizer::node
