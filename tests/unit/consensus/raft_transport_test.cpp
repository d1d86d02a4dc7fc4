#include "raft_transport.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <thread>

#include "memory_streams.hpp"
#include "raft_cluster.hpp"

namespace vectorizer::consensus {
namespace {

using peer::StreamRoute;
using testing::MemoryChannel;
using testing::MemoryStream;
using testing::node_command;
using testing::RaftCluster;
using testing::wait_until;
using namespace std::chrono_literals;

/// A stream that a test opens to a member, served on a thread of its own.
class Guest {
 public:
  Guest(RaftMetadataLog& log, const StreamRoute& route)
      : channel_(std::make_shared<MemoryChannel>()),
        ours_(channel_, 0),
        served_(std::async(std::launch::async, [&log, route, this] {
          MemoryStream theirs(channel_, 1);
          return log.serve(route, theirs);
        })) {}
  MemoryStream& stream() { return ours_; }
  bool ended() { return served_.wait_for(0s) == std::future_status::ready; }
  Result<void> outcome() { return served_.get(); }

 private:
  std::shared_ptr<MemoryChannel> channel_;
  MemoryStream ours_;
  std::future<Result<void>> served_;
};

class RaftTransportTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(cluster_.begin(1)); }
  RaftCluster cluster_;
};

TEST_F(RaftTransportTest, AStreamToAnotherMemberIsRefused) {
  Guest guest(cluster_.log(1), {5, 2, "n-5"});  // to a predecessor at this address
  const auto refused = guest.outcome();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kConflict);
  EXPECT_NE(refused.error().message.find("n-1, not n-2"), std::string::npos) << refused.error().message;
  std::array<char, 8> nothing{};
  EXPECT_EQ(*guest.stream().read(nothing), 0U);
}

TEST_F(RaftTransportTest, AStreamThatNamesNobodyIsRefused) {
  for (const auto& route : {StreamRoute{0, 1, "n-0"}, StreamRoute{1, 1, "n-1"}, StreamRoute{5, 1, ""}}) {
    Guest guest(cluster_.log(1), route);
    EXPECT_FALSE(guest.outcome());
  }
}

TEST_F(RaftTransportTest, ANewStreamOfAMemberEndsItsOlderOne) {
  Guest older(cluster_.log(1), {5, 1, "n-5"});
  EXPECT_FALSE(wait_until([&] { return older.ended(); }, 100ms));
  Guest newer(cluster_.log(1), {5, 1, "n-5"});
  EXPECT_TRUE(older.outcome());
  EXPECT_FALSE(newer.ended());
  newer.stream().close();
  EXPECT_TRUE(newer.outcome());
}

TEST_F(RaftTransportTest, GarbageEndsTheStreamAndNothingElse) {
  Guest guest(cluster_.log(1), {5, 1, "n-5"});
  while (guest.stream().write(std::string(4096, '\xff'))) std::this_thread::yield();
  EXPECT_TRUE(guest.outcome());
  EXPECT_TRUE(cluster_.log(1).propose(node_command("a", "")));
}

TEST_F(RaftTransportTest, AnOpenStreamDoesNotKeepAMemberFromClosing) {
  auto guest = std::make_unique<Guest>(cluster_.log(1), StreamRoute{5, 1, "n-5"});
  EXPECT_FALSE(wait_until([&] { return guest->ended(); }, 100ms));
  cluster_.stop(1);
  EXPECT_TRUE(guest->ended());
}

/// Blocks in `connect` until it is stopped, as towards an address that swallows packets.
class BlackHole final : public peer::StreamConnector {
 public:
  Result<std::unique_ptr<peer::ByteStream>> connect(const StreamRoute&, const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    ++attempts;
    stopped.wait_for(lock, stop, 60s, [] { return false; });
    return Error{ErrorType::kNodeUnreachable, "no answer"};
  }
  std::atomic<int> attempts{0};
};

TEST(RaftTransport, AConnectionUnderWayDoesNotKeepAMemberFromClosing) {
  testing::TemporaryDirectory directory;
  RaftOptions options;
  options.raft_id = 1;
  options.directory = directory.path();
  ASSERT_TRUE(bootstrap_raft(options, {}));
  BlackHole nowhere;
  MetricsRegistry metrics;
  auto log = make_raft_metadata_log(options, nowhere, metrics);
  ASSERT_TRUE(log) << log.error().message;
  ASSERT_TRUE(wait_until([&] { return (*log)->is_leader(); }));
  ASSERT_TRUE((*log)->add_member(2));
  ASSERT_TRUE(wait_until([&] { return nowhere.attempts > 0; }));
  const auto begun = std::chrono::steady_clock::now();
  log->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
}

}  // namespace
}  // namespace vectorizer::consensus
