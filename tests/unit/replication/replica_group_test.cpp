#include "vectorizer/replication/replica_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "cluster/event_loop.hpp"
#include "group_core.hpp"
#include "testing/memory_database.hpp"
#include "vectorizer/replication/checkpoint_receiver.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {
namespace {

using cluster::CopyRole;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Outcome = peer::ReplicateReply::Outcome;

storage::StoredWrite put(std::uint64_t sequence, std::uint64_t id) {
  return {sequence, false, Point{PointId(id), {static_cast<float>(sequence)}, {}}};
}
LogEntry entry(std::uint64_t sequence, std::uint64_t term) {
  return storage::make_entry(term, std::vector{put(sequence, sequence)});
}

/// Keeps what is sent; answers when told to.
class SentRequests final : public peer::ReplicationDirectory, public peer::ReplicationPeer {
 public:
  std::shared_ptr<peer::ReplicationPeer> replication(const NodeId&) override {
    return {std::shared_ptr<void>(), static_cast<peer::ReplicationPeer*>(this)};
  }
  void replicate(peer::ReplicateRequest request, OnReply on_reply) override {
    sent.emplace_back(std::move(request), std::move(on_reply));
  }
  Result<void> fetch_checkpoint(const ShardId&, std::uint64_t, peer::CheckpointSink&) override {
    return Error{ErrorType::kNodeUnreachable, "none"};
  }
  void accept_all() {
    while (!sent.empty()) {
      auto [request, answer] = std::move(sent.front());
      sent.erase(sent.begin());
      peer::ReplicateReply reply;
      reply.term = request.term;
      reply.last = request.entries.empty() ? request.previous : request.entries.back().position();
      answer(reply);
    }
  }
  std::vector<std::pair<peer::ReplicateRequest, OnReply>> sent;
};

/// Copy 1 of a shard of two, on its own disk; the other one is whatever the test says.
class ReplicaGroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.settle_timeout = options_.commit_timeout = milliseconds(0);
    placement_.shard = ShardId(1);
    placement_.term = 1;
    placement_.primary = NodeId("b");
    placement_.copies = {{1, NodeId("a"), CopyRole::kInSync, ""}, {2, NodeId("b"), CopyRole::kInSync, ""}};
    open();
  }
  void TearDown() override { close(); }

  void close() {
    if (group_) group_->stop();
    store_.reset();
    group_.reset();
  }
  void open() {
    close();
    GroupPorts ports;
    ports.directory = &requests_;
    ports.clock = &loop_;
    ports.disk_lane = ports.apply_lane = [this](GroupPorts::Task task) {
      loop_.after(milliseconds(0), std::move(task));
      return true;
    };
    ports.propose = [](const cluster::MetadataCommand&, const std::function<void(const ProposalResult&)>&) {};
    ports.lease_valid = [this] { return lease_; };
    ports.storage_full = [] { return false; };
    ports.log_share = [this](std::uint64_t own) { return std::min(own, log_share_); };
    ports.fetch_checkpoint = [this](const NodeId&, std::uint64_t) { ++fetches_; };
    ports.read_points = [this](const auto& begin, const auto& visit, const auto& visit_result) {
      return disk_.read_checkpoint(1, begin, visit, visit_result);
    };
    auto points = disk_.open_logged_store(1);
    auto log = std::move(*disk_.open_log(1));
    auto opened = ReplicaGroup::open({ShardId(1), 1, NodeId("a")}, std::move(log), std::move(points), placement_,
                                     options_, ports);
    ASSERT_TRUE(opened) << opened.error().message;
    group_ = std::static_pointer_cast<GroupCore>(*opened);
    store_ = group_->store();
    group_->attach([this](std::span<const storage::StoredWrite> writes) { return store_->write(writes); }, {});
    settle();
  }
  void settle() { loop_.run_for(milliseconds(1)); }

  peer::ReplicateReply receive(LogPosition previous, std::vector<LogEntry> entries, std::uint64_t commit = 0,
                               std::uint64_t term = 1) {
    peer::ReplicateRequest request;
    request.shard = ShardId(1);
    request.copy = 1;
    request.term = term;
    request.primary = NodeId("b");
    request.previous = previous;
    request.commit = commit;
    request.entries = std::move(entries);
    const auto reply = group_->handle(request);
    settle();
    return reply;
  }
  /// The metadata names this copy primary of `term`, and the other one confirms everything.
  void lead(std::uint64_t term) {
    placement_.term = term;
    placement_.primary = NodeId("a");
    ++placement_.isr_version;
    group_->reconcile(placement_);
    settle();
    requests_.accept_all();
    settle();
  }
  void follow(std::uint64_t term) {
    placement_.term = term;
    placement_.primary = NodeId("b");
    ++placement_.isr_version;
    group_->reconcile(placement_);
  }
  LogPosition last() { return group_->status().last; }
  std::uint64_t applied() { return group_->status().applied; }

  testing::EventLoop loop_{1};
  testing::MemoryDatabase disk_;
  SentRequests requests_;
  ReplicationOptions options_;
  cluster::ShardPlacement placement_;
  bool lease_ = true;
  int fetches_ = 0;
  std::uint64_t log_share_ = ~std::uint64_t{0};
  std::shared_ptr<GroupCore> group_;
  std::unique_ptr<storage::ShardStore> store_;
};

// Following.

TEST_F(ReplicaGroupTest, AFollowerStoresAndAppliesOnlyWhatIsCommitted) {
  const auto reply = receive({}, {entry(1, 1), entry(2, 1)}, 1);
  EXPECT_EQ(reply.outcome, Outcome::kAccepted);
  EXPECT_EQ(reply.last, (LogPosition{2, 1}));
  EXPECT_EQ(applied(), 1U);
  receive({2, 1}, {}, 2);
  EXPECT_EQ(applied(), 2U);
}

TEST_F(ReplicaGroupTest, ATermIsStoredBeforeItIsAnswered) {
  EXPECT_EQ(receive({}, {}, 0, 5).term, 5U);
  EXPECT_EQ((*disk_.open_log(1))->term(), 5U);
  const auto stale = receive({}, {entry(1, 4)}, 1, 4);
  EXPECT_EQ(stale.outcome, Outcome::kStaleTerm);
  EXPECT_EQ(stale.term, 5U);
  EXPECT_EQ(last(), LogPosition{});
}

TEST_F(ReplicaGroupTest, AMismatchSaysWhichTermsTheLogHas) {
  receive({}, {entry(1, 1), entry(2, 1)});
  receive({2, 1}, {entry(3, 2)}, 0, 2);
  const auto reply = receive({5, 3}, {entry(6, 3)}, 0, 3);
  EXPECT_EQ(reply.outcome, Outcome::kMismatch);
  EXPECT_EQ(reply.last, (LogPosition{3, 2}));
  EXPECT_THAT(reply.terms, ElementsAre(TermStart{1, 1}, TermStart{2, 3}));
}

TEST_F(ReplicaGroupTest, AConflictIsCutAndRepetitionsAreNot) {
  receive({}, {entry(1, 1), entry(2, 1), entry(3, 1)}, 1);
  EXPECT_EQ(receive({}, {entry(1, 1), entry(2, 1)}, 1).outcome, Outcome::kAccepted);
  EXPECT_EQ(last(), (LogPosition{3, 1}));  // a request that came late takes nothing back
  EXPECT_EQ(receive({1, 1}, {entry(2, 3)}, 1, 3).outcome, Outcome::kAccepted);
  EXPECT_EQ(last(), (LogPosition{2, 3}));
}

TEST_F(ReplicaGroupTest, WhatWasNotComparedIsNotCommitted) {
  receive({}, {entry(1, 1), entry(2, 1), entry(3, 1)}, 1);
  // The new primary has committed three entries; of this log it knows only that the first one is the same.
  const auto reply = receive({1, 1}, {}, 3, 2);
  EXPECT_EQ(reply.last, (LogPosition{1, 1}));
  EXPECT_EQ(applied(), 1U);
}

TEST_F(ReplicaGroupTest, WhatIsAppliedIsNeverCut) {
  receive({}, {entry(1, 1), entry(2, 1)}, 2);
  EXPECT_EQ(receive({1, 1}, {entry(2, 2)}, 2, 2).outcome, Outcome::kDiverged);
  EXPECT_EQ(last(), (LogPosition{2, 1}));
}

TEST_F(ReplicaGroupTest, ARequestForAnotherCopyFindsNobody) {
  peer::ReplicateRequest request;
  request.copy = 9;
  request.term = 8;
  EXPECT_EQ(group_->handle(request).outcome, Outcome::kNotHere);
  EXPECT_EQ(group_->status().term, 0U);
}

TEST_F(ReplicaGroupTest, AfterAFailedAppendTheLogGoesOnFromWhatWasConfirmed) {
  for (const bool written : {false, true}) {
    const std::uint64_t at = last().sequence;
    disk_.log_disk(1)->fail_next_append(written);
    EXPECT_EQ(receive(last(), {entry(at + 1, 1)}).outcome, Outcome::kFailed);
    EXPECT_EQ(receive(LogPosition{at, at > 0 ? 1U : 0U}, {entry(at + 1, 1)}).outcome, Outcome::kAccepted);
  }
  EXPECT_EQ(last(), (LogPosition{2, 1}));
}

/// What it confirmed while it waited for a checkpoint was lost with the old copy when the new one took its place.
TEST_F(ReplicaGroupTest, ACopyThatFetchesACheckpointConfirmsNothing) {
  receive({}, {entry(1, 1)});
  peer::ReplicateRequest request;
  request.shard = ShardId(1);
  request.copy = 1;
  request.term = 1;
  request.previous = {50, 1};
  request.fetch_checkpoint = true;
  const auto told = group_->handle(request);  // the primary may mean the log of before: it is told what there is first
  EXPECT_EQ(told.outcome, Outcome::kMismatch);
  EXPECT_EQ(told.last, (LogPosition{1, 1}));
  EXPECT_EQ(fetches_, 0);
  EXPECT_EQ(group_->handle(request).outcome, Outcome::kFetching);
  EXPECT_EQ(group_->handle(request).outcome, Outcome::kFetching);
  EXPECT_EQ(fetches_, 2);
  EXPECT_EQ(receive({1, 1}, {entry(2, 1)}).outcome, Outcome::kFetching);
  EXPECT_EQ(fetches_, 3);  // the owner may have given up: any primary can fill the copy
  EXPECT_EQ(last(), (LogPosition{1, 1}));
  group_->checkpoint_failed();
  EXPECT_EQ(receive({1, 1}, {entry(2, 1)}).outcome, Outcome::kAccepted);
}

TEST_F(ReplicaGroupTest, ACheckpointNeverReplacesMoreThanThePrimaryHas) {
  receive({}, {entry(1, 1), entry(2, 1)}, 2);
  peer::ReplicateRequest request;
  request.copy = 1;
  request.term = 2;
  request.previous = {1, 2};
  request.fetch_checkpoint = true;
  EXPECT_EQ(group_->handle(request).outcome, Outcome::kDiverged);
  EXPECT_EQ(fetches_, 0);
}

TEST_F(ReplicaGroupTest, AFullDiskShowsThroughTheStoreOfTheCopy) {
  EXPECT_TRUE(store_->has_room_for(1 << 20));
  disk_.set_full(true);
  EXPECT_FALSE(store_->has_room_for(1 << 20));
}

TEST_F(ReplicaGroupTest, AReaderIsRefusedWhenThePrimaryIsSilent) {
  EXPECT_FALSE(group_->readable(ReadConsistency::kAny));
  receive({}, {});
  EXPECT_TRUE(group_->readable(ReadConsistency::kAny));
  EXPECT_FALSE(group_->readable(ReadConsistency::kPrimary));
  loop_.run_for(std::chrono::seconds(4));
  const auto refused = group_->readable(ReadConsistency::kAny);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kShardUnavailable);
  EXPECT_THAT(refused.error().details, HasSubstr(R"("node":"a")"));
}

TEST_F(ReplicaGroupTest, WhatWasSentBeforeTheProcessStoodStillIsNoSignOfLife) {
  group_->tick();
  receive({}, {});
  ASSERT_TRUE(group_->readable(ReadConsistency::kAny));
  loop_.run_for(std::chrono::seconds(10));  // SIGSTOP
  lease_ = false;
  receive({}, {});  // has lain in the socket
  EXPECT_FALSE(group_->readable(ReadConsistency::kAny));
  group_->tick();
  receive({}, {});
  EXPECT_FALSE(group_->readable(ReadConsistency::kAny));
  lease_ = true;  // this node knows what the metadata says by now
  group_->tick();
  EXPECT_TRUE(group_->readable(ReadConsistency::kAny));
}

TEST_F(ReplicaGroupTest, APrimaryThatHasLongHadNoLeaseRefusesEveryReader) {
  lead(2);
  const auto later = [&](milliseconds time) {
    loop_.run_for(time);
    group_->tick();
    settle();
  };
  later(std::chrono::seconds(10));
  EXPECT_TRUE(group_->readable(ReadConsistency::kAny));
  lease_ = false;
  later(std::chrono::seconds(2));
  EXPECT_FALSE(group_->readable(ReadConsistency::kPrimary));
  EXPECT_TRUE(group_->readable(ReadConsistency::kAny));
  later(std::chrono::seconds(2));
  EXPECT_FALSE(group_->readable(ReadConsistency::kAny));
  lease_ = true;
  later(milliseconds(50));
  EXPECT_TRUE(group_->readable(ReadConsistency::kAny));
}

TEST_F(ReplicaGroupTest, ACopyHasWhatASessionWroteOnceItHasAppliedIt) {
  receive({}, {entry(1, 1), entry(2, 1)}, 1);
  EXPECT_TRUE(group_->wait_applied({1, 1}, milliseconds(0)));
  const auto refused = group_->wait_applied({2, 1}, milliseconds(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kShardUnavailable);  // another copy may have it
  auto waiting = std::async(std::launch::async, [&] { return group_->wait_applied({2, 1}, std::chrono::minutes(1)); });
  receive({2, 1}, {}, 2);
  EXPECT_TRUE(waiting.get());
}

TEST_F(ReplicaGroupTest, OnlyAPrimaryKnowsThatWhatASessionWroteIsLost) {
  lead(2);
  requests_.accept_all();
  settle();
  ASSERT_TRUE(group_->readable(ReadConsistency::kPrimary));
  const auto end = last();
  EXPECT_TRUE(group_->wait_applied(end, std::chrono::minutes(1)));
  const auto lost = group_->wait_applied({end.sequence + 1, 2}, std::chrono::minutes(1));  // and it does not wait
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().type, ErrorType::kSessionLost);
  EXPECT_EQ(group_->wait_applied({end.sequence, 3}, milliseconds(0)).error().type, ErrorType::kSessionLost);
  lease_ = false;  // another one may have been promoted in its place, and have it
  EXPECT_EQ(group_->wait_applied({end.sequence + 1, 2}, milliseconds(0)).error().type, ErrorType::kShardUnavailable);
}

TEST_F(ReplicaGroupTest, ARestartKeepsTheLogAndAppliesItWhenItIsKnownToBeCommitted) {
  receive({}, {entry(1, 1), entry(2, 1)}, 1);
  close();
  disk_.lose_unsynced();
  open();
  EXPECT_EQ(last(), (LogPosition{2, 1}));
  receive({2, 1}, {}, 2);
  EXPECT_EQ(applied(), 2U);
  EXPECT_EQ(store_->applied_sequence(), 2U);
}

// Leading.

TEST_F(ReplicaGroupTest, APrimaryOpensWhenItsFirstEntryIsOnEveryRequiredCopy) {
  receive({}, {entry(1, 1)});
  placement_.primary = NodeId("a");
  placement_.term = 2;
  group_->reconcile(placement_);
  settle();
  EXPECT_EQ(last(), (LogPosition{2, 2}));
  EXPECT_FALSE(group_->settle());
  ASSERT_EQ(requests_.sent.size(), 1U);
  EXPECT_EQ(requests_.sent[0].first.previous, (LogPosition{1, 1}));
  requests_.accept_all();
  settle();
  EXPECT_EQ(applied(), 2U);  // what the old primary left is committed with it
  EXPECT_TRUE(group_->settle());
  EXPECT_TRUE(group_->readable(ReadConsistency::kPrimary));
  lease_ = false;
  EXPECT_FALSE(group_->readable(ReadConsistency::kPrimary));
}

TEST_F(ReplicaGroupTest, ATermThatWasSeenBeforeTheStartIsNotLed) {
  lead(3);
  EXPECT_TRUE(group_->status().leading);
  open();
  group_->reconcile(placement_);
  settle();
  EXPECT_FALSE(group_->status().leading);
  lead(4);
  EXPECT_TRUE(group_->status().leading);
}

TEST_F(ReplicaGroupTest, ALargerTermInAnAnswerFencesThePrimary) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  const auto ticket = group_->begin_write(std::vector{put(2, 7)});
  ASSERT_TRUE(ticket);
  ASSERT_EQ(requests_.sent.size(), 1U);
  peer::ReplicateReply reply;
  reply.outcome = Outcome::kStaleTerm;
  reply.term = 2;
  requests_.sent[0].second(reply);
  EXPECT_EQ(group_->decision(*ticket), GroupCore::Decision::kUnknown);
  EXPECT_FALSE(group_->status().leading);
}

TEST_F(ReplicaGroupTest, AWriteWithoutConfirmationIsUnknownAndTheNextOneSettlesIt) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  const auto outcome = store_->write(std::vector{put(2, 7)});
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().details, HasSubstr(R"("outcome":"unknown")"));
  EXPECT_FALSE(group_->settle());
  EXPECT_EQ(store_->last_sequence(), 2U);
  EXPECT_EQ(store_->applied_sequence(), 0U);
  requests_.accept_all();
  const auto pending = group_->settle();
  ASSERT_TRUE(pending);
  ASSERT_EQ(pending->size(), 1U);
  EXPECT_EQ((*pending)[0].sequence, 2U);
  ASSERT_TRUE(store_->write(*pending));
  EXPECT_EQ(store_->applied_sequence(), 2U);
}

/// Between settling and writing the term can end and others commit under the same numbers.
TEST_F(ReplicaGroupTest, AWriterThatLostItsTermDoesNotWriteOverWhatWasCommittedSince) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  receive({1, 1}, {entry(2, 2), entry(3, 2)}, 0, 2);
  follow(2);
  group_->handle([] {
    peer::ReplicateRequest beat;
    beat.copy = 1;
    beat.term = 2;
    beat.previous = {3, 2};
    beat.commit = 3;
    return beat;
  }());
  ASSERT_EQ(group_->committed(), 3U);
  EXPECT_FALSE(store_->write(std::vector{put(2, 99)}));
  EXPECT_EQ(*store_->get(PointId(99)), std::nullopt);
}

TEST_F(ReplicaGroupTest, WithoutItsLeaseAPrimaryAcknowledgesNothingAndAppliesIt) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  const std::vector writes{put(2, 7)};
  const auto ticket = group_->begin_write(writes);
  ASSERT_TRUE(ticket);
  lease_ = false;
  requests_.accept_all();
  EXPECT_EQ(group_->decision(*ticket), GroupCore::Decision::kCommitted);
  const auto allowed = group_->acknowledgeable();
  ASSERT_FALSE(allowed);
  EXPECT_EQ(allowed.error().type, ErrorType::kNotEnoughReplicas);
  EXPECT_THAT(allowed.error().details, HasSubstr(R"("outcome":"unknown")"));
  settle();
  EXPECT_EQ(applied(), 2U);
}

TEST_F(ReplicaGroupTest, BelowTheMinimumNothingIsBegun) {
  placement_.min_in_sync = 2;
  placement_.copies[1].role = CopyRole::kStale;
  lead(1);
  const auto refused = group_->settle();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kNotEnoughReplicas);
  EXPECT_EQ(last().sequence, 1U);
}

TEST_F(ReplicaGroupTest, AFollowerThatHasAppliedMoreStopsThePrimary) {
  lead(1);
  group_->tick();
  loop_.run_for(milliseconds(400));
  group_->tick();
  ASSERT_FALSE(requests_.sent.empty());
  peer::ReplicateReply reply;
  reply.outcome = Outcome::kMismatch;
  reply.term = 1;
  reply.last = {9, 1};
  reply.applied = 9;
  reply.terms = {{1, 1}};
  requests_.sent.back().second(reply);
  EXPECT_THAT(group_->problem(), HasSubstr("diverged"));
  EXPECT_TRUE(group_->status().failed);
  EXPECT_FALSE(group_->settle());
}

TEST_F(ReplicaGroupTest, ALogThatCannotBeWrittenEndsTheTerm) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  disk_.log_disk(1)->fail_next_append(true);
  const auto ticket = group_->begin_write(std::vector{put(2, 7)});
  ASSERT_FALSE(ticket);
  EXPECT_THAT(ticket.error().details, HasSubstr(R"("outcome":"unknown")"));
  EXPECT_TRUE(group_->status().failed);
}

TEST_F(ReplicaGroupTest, AHandOverWaitsForWhatIsUnderWay) {
  lead(1);
  ASSERT_TRUE(group_->settle());
  ASSERT_TRUE(group_->begin_write(std::vector{put(2, 7)}));
  EXPECT_EQ(group_->hand_over(milliseconds(0)).error().type, ErrorType::kTimeout);
  requests_.accept_all();
  settle();
  EXPECT_TRUE(group_->hand_over(milliseconds(0)));
  EXPECT_FALSE(group_->settle());
  EXPECT_FALSE(group_->readable(ReadConsistency::kPrimary));
  group_->resume();
  EXPECT_TRUE(group_->settle());
}

TEST_F(ReplicaGroupTest, ACopyThatWasAloneBeginsItsLogWhereItsPointsEnd) {
  close();
  disk_.drop_store(1).operator bool();
  ASSERT_TRUE(disk_.open_store(1)->write(std::vector{put(1, 1), put(2, 2), put(3, 3)}));
  placement_.primary = NodeId("a");
  open();
  EXPECT_EQ((*disk_.open_log(1))->base(), (LogPosition{3, 1}));
  lead(1);
  EXPECT_TRUE(group_->status().leading);
  EXPECT_EQ(last(), (LogPosition{4, 1}));
}

/// Takes a checkpoint; `on_header` may do what happens meanwhile.
class CountingSink final : public peer::CheckpointSink {
 public:
  Result<void> header(const peer::CheckpointHeader& header) override {
    at = header.at;
    if (on_header) on_header();
    return {};
  }
  Result<void> points(std::string) override {
    ++slices;
    return {};
  }
  Result<void> index(std::string) override { return {}; }

  std::function<void()> on_header;
  LogPosition at;
  int slices = 0;
};

TEST_F(ReplicaGroupTest, ACheckpointHoldsTheLogUnlessTheNodeKeepsTooMuchOfIt) {
  receive({}, {entry(1, 1), entry(2, 1), entry(3, 1)}, 3);
  lead(2);
  const auto next = last().sequence + 1;
  const auto bytes = [&] { return group_->stats().log_bytes; };
  const auto prune = [&] {
    loop_.run_for(std::chrono::seconds(2));
    group_->tick();
    settle();
  };
  CountingSink kept;
  std::uint64_t held = 0;
  kept.on_header = [&] {
    ASSERT_TRUE(group_->settle());
    ASSERT_TRUE(group_->begin_write(std::vector{put(next, 9)}));
    requests_.accept_all();
    settle();
    prune();
    held = bytes();
  };
  ASSERT_TRUE(group_->send_checkpoint(2, kept));
  EXPECT_GT(kept.slices, 0);
  EXPECT_GT(held, 0U);

  CountingSink begun_again;
  begun_again.on_header = [&] {
    log_share_ = 0;
    prune();
  };
  const auto ended = group_->send_checkpoint(2, begun_again);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().type, ErrorType::kOverloaded);
  EXPECT_EQ(begun_again.slices, 0);
  EXPECT_LT(bytes(), held);
}

// Results of writes.

storage::StoredWrite result(std::uint64_t sequence, std::uint64_t id) {
  storage::StoredWrite write;
  write.sequence = sequence;
  write.deleted = true;
  write.result = RequestResult{{{id, id}, 7}, 1, {WriteOutcome::kApplied, WriteOutcome::kNotFound}};
  return write;
}

TEST_F(ReplicaGroupTest, AResultIsKnownWhenItsEntryIsCommittedAndGoneWhenItIsCut) {
  receive({}, {storage::make_entry(1, std::vector{put(1, 1), result(2, 5)})}, 2);
  receive({2, 1}, {storage::make_entry(1, std::vector{put(3, 3), result(4, 6)})}, 2);
  EXPECT_TRUE(*store_->find_result({5, 5}));
  EXPECT_FALSE(*store_->find_result({6, 6}));
  receive({2, 1}, {entry(3, 2)}, 3, 2);
  receive({3, 2}, {entry(4, 2)}, 4, 2);
  EXPECT_EQ(applied(), 4U);
  EXPECT_TRUE(*store_->find_result({5, 5}));
  EXPECT_FALSE(*store_->find_result({6, 6}));
}

/// Feeds what a primary of this process sends.
class CheckpointOf final : public peer::ReplicationPeer {
 public:
  explicit CheckpointOf(ReplicaGroup& group) : group_(group) {}
  void replicate(peer::ReplicateRequest, OnReply) override {}
  Result<void> fetch_checkpoint(const ShardId&, std::uint64_t term, peer::CheckpointSink& sink) override {
    return group_.send_checkpoint(term, sink);
  }

 private:
  ReplicaGroup& group_;
};

TEST_F(ReplicaGroupTest, ACheckpointCarriesTheResultsOfWrites) {
  receive({}, {storage::make_entry(1, std::vector{put(1, 1), result(2, 5), put(3, 3), result(4, 6)})}, 4);
  lead(2);
  CheckpointOf primary(*group_);
  testing::MemoryDatabase other;
  const auto at = receive_checkpoint(primary, ShardId(1), 2, {&other, 9, "/nonexistent/index"});
  ASSERT_TRUE(at) << at.error().message;
  const auto copy = other.open_logged_store(9);
  for (const std::uint64_t id : {5U, 6U}) {
    const auto found = copy->find_result({id, id});
    ASSERT_TRUE(found && *found) << id;
    EXPECT_EQ(**found, result(0, id).result);
  }
  EXPECT_TRUE(*copy->get(PointId(3)));
}

}  // namespace
}  // namespace vectorizer::replication
