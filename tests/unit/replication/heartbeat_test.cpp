#include "vectorizer/replication/heartbeat.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>
#include <thread>

#include "vectorizer/base/metrics.hpp"

namespace vectorizer::replication {
namespace {

TEST(Heartbeat, StopWaitsForOneProposalAndNotForThoseBehindIt) {
  MetricsRegistry metrics;
  HeartbeatOptions options;
  options.queue_limit = std::numeric_limits<std::size_t>::max();  // only a lane that stops refuses
  Heartbeat heartbeat(options, metrics);
  GroupPorts ports;
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::atomic<int> proposed = 0;
  std::atomic<int> refused = 0;
  heartbeat.provide(ports, [&](const cluster::MetadataCommand&) {
    ++proposed;
    released.wait();
    return ProposalResult{};
  });
  const auto propose = [&] {
    ports.propose(cluster::DropCollection{"c"}, [&](const ProposalResult& result) {
      if (result.outcome == ProposalResult::Outcome::kRefused) ++refused;
    });
  };
  for (int i = 0; i < 3; ++i) propose();
  while (proposed == 0) std::this_thread::yield();
  auto stopped = std::async(std::launch::async, [&] { heartbeat.stop(); });
  int behind = 2;
  for (; refused == 0; ++behind) {  // refused at once means that it is stopping
    propose();
    std::this_thread::yield();
  }
  release.set_value();
  stopped.get();
  EXPECT_EQ(proposed, 1);
  EXPECT_EQ(refused, behind);
}

TEST(Heartbeat, TheLogsOfANodeShareWhatItHasForThem) {
  EXPECT_EQ(share_of_logs(70, 100, 100), 70U);
  EXPECT_EQ(share_of_logs(70, 0, 0), 70U);  // nothing counted yet
  EXPECT_EQ(share_of_logs(150, 200, 100), 75U);
  EXPECT_EQ(share_of_logs(50, 200, 100), 25U);
  EXPECT_EQ(share_of_logs(10ULL << 40, 20ULL << 40, 1ULL << 40), 1ULL << 39);
}

}  // namespace
}  // namespace vectorizer::replication
