#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using std::chrono::milliseconds;
using testing::Gate;
using testing::kServerNode;
using testing::Pair;
using SteadyClock = std::chrono::steady_clock;

milliseconds since(SteadyClock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
}

bool unknown(const Error& error) {
  return error.details.find(R"("outcome":"unknown")") != std::string::npos;
}

/// Accepts connections and says nothing: a machine that hangs.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 16), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port_ = 0;
};

class Failures : public ::testing::Test, protected Pair {
 protected:
  Failures() {
    data.on_count = [](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> { return 1; };
  }
  Result<std::uint64_t> count() { return testing::count_of(peer(), ShardId(1), std::nullopt); }
  std::vector<peer::ShardWriteReply> write() { return peer().write({{ShardId(1), 1, {}}, {ShardId(2), 1, {}}}); }
};

TEST_F(Failures, ANodeThatNobodyKnowsHasNoPeer) {
  start_client();
  EXPECT_EQ(peers->find(NodeId("node-7")), nullptr);
  EXPECT_EQ(peers->replication(NodeId("node-7")), nullptr);
}

TEST_F(Failures, AForgottenNodeIsUnreachableThroughOldPointersAndComesBack) {
  start();
  auto& old_peer = peer();
  auto old_replica = replica();
  peers->forget(kServerNode);
  EXPECT_EQ(peers->find(kServerNode), nullptr);
  EXPECT_EQ(peers->replication(kServerNode), nullptr);
  const auto count_now = testing::count_of(old_peer, ShardId(1), std::nullopt);
  ASSERT_FALSE(count_now);
  EXPECT_EQ(count_now.error().type, ErrorType::kNodeUnreachable);
  EXPECT_EQ(count_now.error().message.rfind("Failed to get client for node 'node-2'", 0), 0U);
  bool answered = false;
  old_replica->replicate({}, [&](const Result<peer::ReplicateReply>& reply) { answered = !reply; });
  EXPECT_TRUE(answered);
  peers->set_endpoint(kServerNode, endpoint(), testing::kServerRaft);
  EXPECT_EQ(peers->find(kServerNode), &old_peer);
  EXPECT_TRUE(testing::count_of(old_peer, ShardId(1), std::nullopt));
}

TEST_F(Failures, ADeadServerIsUnreachableSoonAndAWriteToItWasNotDone) {
  start();
  ASSERT_TRUE(count());
  server->stop(milliseconds(0));
  const auto start_time = SteadyClock::now();
  const auto dead = count();
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().type, ErrorType::kNodeUnreachable);
  EXPECT_EQ(dead.error().message.rfind("Failed to get client for node 'node-2' (127.0.0.1:", 0), 0U)
      << dead.error().message;
  const auto written = write();
  ASSERT_EQ(written.size(), 2U);
  for (const auto& reply : written) {
    ASSERT_FALSE(reply.outcomes);
    EXPECT_EQ(reply.outcomes.error().type, ErrorType::kNodeUnreachable);
    EXPECT_FALSE(unknown(reply.outcomes.error()));
  }
  EXPECT_LT(since(start_time), milliseconds(3000));
  EXPECT_NE(client_metrics.expose().find(
                R"(vectorizer_rpc_client_errors_total{code="node_unreachable",method="write",peer="node-2"} 1)"),
            std::string::npos)
      << client_metrics.expose();
}

TEST_F(Failures, ASlowServerIsATimeoutAndTheOutcomeOfAWriteUnknown) {
  client_options.timeout = milliseconds(300);
  start();
  Gate gate;
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
    gate.wait();
    return 1;
  };
  data.on_write = [&](const std::vector<peer::ShardWrite>&) {
    gate.wait();
    return std::vector<peer::ShardWriteReply>();
  };
  const auto start_time = SteadyClock::now();
  const auto slow = count();
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().type, ErrorType::kTimeout) << slow.error().message;
  EXPECT_FALSE(unknown(slow.error()));
  const auto written = write();
  ASSERT_FALSE(written.at(1).outcomes);
  EXPECT_EQ(written[1].outcomes.error().type, ErrorType::kTimeout);
  EXPECT_TRUE(unknown(written[1].outcomes.error()));
  EXPECT_LT(since(start_time), milliseconds(3000));
  gate.open();
  server->stop(milliseconds(0));  // the handlers use what ends here
}

TEST_F(Failures, TheDeadlineOfASearchCountsWhenItIsSooner) {
  start();
  Gate gate;
  data.on_search = [&](std::span<const ShardId>, const SearchQuery&) {
    gate.wait();
    return std::vector<peer::ShardSearchReply>();
  };
  SearchQuery query;
  query.deadline = Deadline(Deadline::Clock::now(), 200);
  const std::vector<ShardId> shards{ShardId(1)};
  const auto start_time = SteadyClock::now();
  const auto replies = peer().search(shards, query);
  EXPECT_LT(since(start_time), milliseconds(3000));
  ASSERT_FALSE(replies.at(0).hits);
  EXPECT_EQ(replies[0].hits.error().type, ErrorType::kTimeout);
  gate.open();
  server->stop(milliseconds(0));  // the handlers use what ends here
}

TEST_F(Failures, AMachineThatHangsIsATimeoutOrUnreachableWithinTheDeadline) {
  client_options.timeout = milliseconds(700);
  start_client();
  SilentServer silent;
  peers->set_endpoint(kServerNode, silent.endpoint());
  const auto start_time = SteadyClock::now();
  EXPECT_FALSE(count());
  const auto written = write();
  ASSERT_FALSE(written.at(0).outcomes);
  EXPECT_EQ(written[0].outcomes.error().type, ErrorType::kNodeUnreachable);
  EXPECT_FALSE(unknown(written[0].outcomes.error()));  // there never was a connection
  EXPECT_LT(since(start_time), milliseconds(4000));
}

TEST_F(Failures, AServerThatDiesWhileItWritesLeavesTheOutcomeUnknown) {
  start();
  Gate begun, gate;
  data.on_write = [&](const std::vector<peer::ShardWrite>&) {
    begun.open();
    gate.wait();
    return std::vector<peer::ShardWriteReply>();
  };
  auto written = std::async(std::launch::async, [&] { return write(); });
  ASSERT_TRUE(begun.wait());
  std::thread stopping([&] { server->stop(milliseconds(0)); });
  const auto replies = written.get();
  ASSERT_FALSE(replies.at(0).outcomes);
  EXPECT_TRUE(unknown(replies[0].outcomes.error())) << replies[0].outcomes.error().message;
  gate.open();
  stopping.join();
}

TEST_F(Failures, ARestartedServerOnTheSamePortIsFoundAgain) {
  start();
  ASSERT_TRUE(count());
  for (int round = 0; round < 3; ++round) {
    server->stop(milliseconds(0));
    ASSERT_FALSE(count());
    start_server();
    const auto start_time = SteadyClock::now();
    auto back = count();
    while (!back && since(start_time) < milliseconds(5000)) back = count();
    EXPECT_TRUE(back) << back.error().message;
  }
}

TEST_F(Failures, ReadsAreRepeatedUntilTheServerIsBack) {
  client_options.retry_count = 1000;
  client_options.max_backoff = milliseconds(50);
  start();
  server->stop(milliseconds(0));
  auto waiting = std::async(std::launch::async, [&] { return count(); });
  while (client_metrics.expose().find(R"(method="count")") == std::string::npos)
    std::this_thread::yield();  // failed once
  start_server();
  const auto result = waiting.get();
  EXPECT_TRUE(result) << result.error().message;
}

TEST_F(Failures, AWriteIsNeverRepeated) {
  start();
  std::atomic<int> writes{0};
  data.on_write = [&](const std::vector<peer::ShardWrite>& got) {
    ++writes;
    std::vector<peer::ShardWriteReply> replies;
    for (const auto& each : got) replies.push_back({each.shard, Error{ErrorType::kNodeUnreachable, "say so"}});
    return replies;
  };
  EXPECT_FALSE(write().at(0).outcomes);
  EXPECT_EQ(writes, 1);
}

TEST_F(Failures, AChangedAddressIsUsedByNewCallsWhileOldOnesFinish) {
  start();
  Gate begun, gate;
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
    begun.open();
    gate.wait();
    return 1;
  };
  Pair other;
  other.data.on_count = [](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> { return 2; };
  other.start_server();
  auto in_flight = std::async(std::launch::async, [&] { return count(); });
  ASSERT_TRUE(begun.wait());
  peers->set_endpoint(kServerNode, other.endpoint(), testing::kServerRaft);
  EXPECT_EQ(*count(), 2U);
  gate.open();
  const auto first = in_flight.get();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*first, 1U);
}

TEST_F(Failures, AMessageThatIsTooLargeIsRefusedWithItsSize) {
  client_options.max_message_bytes = 100'000;
  start();
  data.on_write = [](const std::vector<peer::ShardWrite>&) {
    ADD_FAILURE() << "it was sent";
    return std::vector<peer::ShardWriteReply>();
  };
  std::vector<peer::ShardWrite> writes(1);
  writes[0].ops.resize(1);
  writes[0].ops[0].payload.assign(200'000, ' ');
  const auto sent = peer().write(writes);
  ASSERT_FALSE(sent.at(0).outcomes);
  const Error& error = sent[0].outcomes.error();
  EXPECT_EQ(error.type, ErrorType::kPayloadTooLarge);
  EXPECT_FALSE(unknown(error));
  EXPECT_NE(error.details.find(R"("limit":100000)"), std::string::npos) << error.details;
}

TEST_F(Failures, AServerWithASmallerLimitSaysSo) {
  server_options.max_message_bytes = 100'000;
  start();
  std::vector<peer::ShardWrite> writes(1);
  writes[0].ops.resize(1);
  writes[0].ops[0].payload.assign(200'000, ' ');
  const auto sent = peer().write(writes);
  ASSERT_FALSE(sent.at(0).outcomes);
  EXPECT_EQ(sent[0].outcomes.error().type, ErrorType::kPayloadTooLarge) << sent[0].outcomes.error().message;

  data.on_get = [](const ShardId&, std::span<const PointId>, const Projection&) {
    return std::vector<std::optional<Point>>{Point{PointId(1), {}, std::string(200'000, ' ')}};
  };
  const std::vector<PointId> ids{PointId(1)};
  const auto got = peer().get(std::vector<peer::ShardIds>{{ShardId(1), ids}}, {}, {});
  ASSERT_EQ(got.size(), 1U);
  ASSERT_FALSE(got[0].answer);
  EXPECT_EQ(got[0].answer.error().type, ErrorType::kPayloadTooLarge) << got[0].answer.error().message;
}

TEST_F(Failures, SixtyFourMebibytesPass) {
  start();
  const std::string payload(std::size_t{64} << 20, 'x');
  data.on_write = [&](const std::vector<peer::ShardWrite>& got) {
    EXPECT_EQ(got.at(0).ops.at(0).payload.size(), payload.size());
    return std::vector<peer::ShardWriteReply>{{got[0].shard, std::vector<WriteOutcome>{WriteOutcome::kApplied}}};
  };
  std::vector<peer::ShardWrite> writes(1);
  writes[0].ops.resize(1);
  writes[0].ops[0].payload = payload;
  const auto sent = peer().write(writes);
  EXPECT_TRUE(sent.at(0).outcomes) << sent[0].outcomes.error().message;
}

TEST_F(Failures, AFullLaneRefusesAndTheCallWasNotDone) {
  server_options.writes = {1, 1};
  start();
  Gate gate;
  std::atomic<int> begun{0};
  data.on_write = [&](const std::vector<peer::ShardWrite>& got) {
    ++begun;
    gate.wait();
    std::vector<peer::ShardWriteReply> replies;
    for (const auto& each : got) replies.push_back({each.shard, std::vector<WriteOutcome>()});
    return replies;
  };
  std::vector<std::future<std::vector<peer::ShardWriteReply>>> calls;
  const auto call_write = [&] { calls.push_back(std::async(std::launch::async, [&] { return write(); })); };
  call_write();
  while (begun == 0) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) call_write();
  // One runs, one waits, the others are turned away while the first still runs.
  const auto refused_count = [&] {
    return server_metrics.expose().find(R"(rejected_total{reason="queue_full"} 4)") != std::string::npos;
  };
  const auto start_time = SteadyClock::now();
  while (!refused_count() && since(start_time) < milliseconds(10'000)) std::this_thread::yield();
  EXPECT_EQ(begun, 1);
  gate.open();
  int done = 0, refused = 0;
  for (auto& call : calls) {
    const auto replies = call.get();
    if (replies.at(0).outcomes) {
      ++done;
    } else {
      ++refused;
      EXPECT_EQ(replies[0].outcomes.error().type, ErrorType::kOverloaded);
      EXPECT_FALSE(unknown(replies[0].outcomes.error()));
    }
  }
  EXPECT_EQ(done, 2);
  EXPECT_EQ(refused, 4);
}

TEST_F(Failures, ManyCallsInParallelAreAllAnswered) {
  start();
  data.on_search = [](std::span<const ShardId> shards, const SearchQuery& query) {
    std::vector<peer::ShardSearchReply> replies;
    for (const auto& shard : shards) {
      replies.push_back({shard, std::vector<ScoredPoint>{{PointId(query.limit), query.vector.at(0), "", {}}}});
    }
    return replies;
  };
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (unsigned thread = 0; thread < 16; ++thread) {
    callers.emplace_back([&, thread] {
      for (unsigned i = 0; i < 100; ++i) {
        SearchQuery query;
        query.limit = thread * 1000 + i;
        query.vector.assign(128, static_cast<float>(i));
        const std::vector<ShardId> shards{ShardId(thread), ShardId(i + 100)};
        const auto replies = peer().search(shards, query);
        const bool right = replies.size() == 2 && replies[1].hits && replies[1].shard == shards[1] &&
                           replies[1].hits->at(0).id == PointId(query.limit) &&
                           replies[1].hits->at(0).score == static_cast<float>(i);
        wrong += right ? 0 : 1;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Failures, StoppingTheServerAnswersCallsInFlightWithinItsGrace) {
  start();
  Gate begun, gate;
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
    begun.open();
    gate.wait();
    return 1;
  };
  auto hanging = std::async(std::launch::async, [&] { return count(); });
  ASSERT_TRUE(begun.wait());
  const auto start_time = SteadyClock::now();
  std::thread stopping([&] { server->stop(milliseconds(200)); });
  const auto result = hanging.get();  // long before the handler returns
  EXPECT_FALSE(result);
  EXPECT_LT(since(start_time), milliseconds(4000));
  gate.open();
  stopping.join();  // once the handler has returned
}

TEST_F(Failures, ACallThatEndsWithinTheGraceIsAnswered) {
  start();
  Gate begun, gate;
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
    begun.open();
    gate.wait();
    return 77;
  };
  auto call = std::async(std::launch::async, [&] { return count(); });
  ASSERT_TRUE(begun.wait());
  std::thread stopping([&] { server->stop(milliseconds(10'000)); });
  gate.open();
  const auto result = call.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, 77U);
  stopping.join();
}

TEST_F(Failures, StoppingTheClientEndsItsCallsAtOnceAndRefusesOthers) {
  start();
  Gate begun, gate;
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
    begun.open();
    gate.wait();
    return 1;
  };
  testing::Gate replicating;
  std::vector<peer::ReplicationPeer::OnReply> kept;
  replication.on_replicate = [&](peer::ReplicateRequest, peer::ReplicationPeer::OnReply on_reply) {
    kept.push_back(std::move(on_reply));
    replicating.open();
  };
  std::atomic<int> answers{0};
  replica()->replicate({}, [&](const Result<peer::ReplicateReply>& reply) { answers += reply ? 100 : 1; });
  auto hanging = std::async(std::launch::async, [&] { return count(); });
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(replicating.wait());
  const auto start_time = SteadyClock::now();
  peers->stop();
  EXPECT_FALSE(hanging.get());
  EXPECT_EQ(answers, 1);
  EXPECT_FALSE(count());
  EXPECT_FALSE(member()->hello({}));
  EXPECT_LT(since(start_time), milliseconds(3000));
  gate.open();
  kept.clear();
  server->stop(milliseconds(0));  // the handlers use what ends here
}

TEST_F(Failures, AHandlerThatIsNotThereYetIsSaid) {
  start();
  server->serve({});
  const auto result = count();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().type, ErrorType::kNodeUnreachable);
  EXPECT_NE(result.error().message.find("does not serve count yet"), std::string::npos) << result.error().message;
  server->serve({&data, nullptr, nullptr, {}});
  EXPECT_TRUE(count());
}

TEST_F(Failures, APortInUseIsAnErrorThatNamesIt) {
  start_server();
  const auto second = start_peer_server(server_options, server_identity.source(), {}, client_metrics);  // the same port
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(endpoint()), std::string::npos) << second.error().message;
}

}  // namespace
}  // namespace vectorizer::rpc
