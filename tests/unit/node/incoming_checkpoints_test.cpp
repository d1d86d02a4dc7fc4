#include "incoming_checkpoints.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace vectorizer::node {
namespace {

using Clock = std::chrono::steady_clock;

/// A primary that sends slices of 1,000 bytes.
class Sender final : public peer::ReplicationPeer {
 public:
  explicit Sender(int slices) : slices_(slices) {}
  void replicate(peer::ReplicateRequest, OnReply on_reply) override { on_reply(peer::ReplicateReply{}); }
  Result<void> fetch_checkpoint(const ShardId&, std::uint64_t, peer::CheckpointSink& sink) override {
    RETURN_IF_ERROR(sink.header({}));
    for (int i = 0; i < slices_; ++i) {
      RETURN_IF_ERROR(i % 2 == 0 ? sink.points(std::string(1000, 'p')) : sink.index(std::string(1000, 'i')));
      if (after_slice) after_slice();
    }
    return {};
  }
  std::function<void()> after_slice;

 private:
  const int slices_;
};

class Collector final : public peer::CheckpointSink {
 public:
  Result<void> header(const peer::CheckpointHeader&) override { return {}; }
  Result<void> points(std::string bytes) override { return add(bytes); }
  Result<void> index(std::string bytes) override { return add(bytes); }
  std::size_t total = 0;

 private:
  Result<void> add(const std::string& more) {
    total += more.size();
    return {};
  }
};

TEST(IncomingCheckpoints, SayHowMuchHasComeWhileItComes) {
  MetricsRegistry metrics;
  IncomingCheckpoints incoming(1 << 30, metrics);
  Sender sender(4);
  Collector collector;
  std::vector<std::uint64_t> seen;
  sender.after_slice = [&] { seen.push_back(incoming.of(ShardId(7)).bytes); };
  ASSERT_TRUE(incoming.measured(sender)->fetch_checkpoint(ShardId(7), 1, collector));
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1000, 2000, 3000, 4000}));
  EXPECT_EQ(collector.total, 4000U);
  EXPECT_EQ(incoming.of(ShardId(7)).bytes, 0U) << "it has arrived";
}

TEST(IncomingCheckpoints, ComeNoFasterThanTheRate) {
  MetricsRegistry metrics;
  IncomingCheckpoints incoming(50'000, metrics);
  Sender sender(11);
  Collector collector;
  const auto begin = Clock::now();
  ASSERT_TRUE(incoming.measured(sender)->fetch_checkpoint(ShardId(7), 1, collector));
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(190)) << "10 slices of 20 ms before the last one";
}

TEST(IncomingCheckpoints, AStopEndsWhatWaits) {
  MetricsRegistry metrics;
  IncomingCheckpoints incoming(1, metrics);
  Sender sender(2);
  Collector collector;
  sender.after_slice = [&] { incoming.stop(); };  // the second slice would wait for a quarter of an hour
  const auto outcome = incoming.measured(sender)->fetch_checkpoint(ShardId(7), 1, collector);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().type, ErrorType::kShuttingDown);
}

}  // namespace
}  // namespace vectorizer::node
