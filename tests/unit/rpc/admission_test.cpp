#include "admission.hpp"

#include <gtest/gtest.h>

#include <future>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using testing::Pair;

class Admitted : public ::testing::Test, protected Pair {
 protected:
  Admitted() {
    data.on_count = [this](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> {
      ++handled;
      return 1;
    };
    data.on_write = [this](const std::vector<peer::ShardWrite>& writes) {
      ++handled;
      return std::vector<peer::ShardWriteReply>{{writes.at(0).shard, std::vector<WriteOutcome>()}};
    };
    membership.on_hello = [](const peer::Hello& hello) { return hello; };
    membership.on_claim = [](const peer::ClaimRequest&) -> Result<void> { return {}; };
    membership.on_beat = [](const peer::Beat&) { return peer::BeatReply{true, 1}; };
    replication.on_replicate = [](peer::ReplicateRequest, peer::ReplicationPeer::OnReply on_reply) {
      on_reply(peer::ReplicateReply());
    };
    replication.on_fetch = [](const ShardId&, std::uint64_t, peer::CheckpointSink&) -> Result<void> { return {}; };
  }
  Result<std::uint64_t> count() { return testing::count_of(peer(), ShardId(1), std::nullopt); }
  Error refused_count() {
    auto result = count();
    EXPECT_FALSE(result);
    return result ? Error() : result.error();
  }
  std::atomic<int> handled{0};
};

TEST_F(Admitted, AMemberOfAnotherClusterIsRefusedAndBothAreNamed) {
  start();
  client_identity.set({"cluster-b", NodeId("node-1"), testing::kClientRaft});
  const Error error = refused_count();
  EXPECT_EQ(error.type, ErrorType::kNodeUnreachable);
  EXPECT_NE(error.message.find("Failed to get client for node 'node-2'"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("'cluster-a'"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("'cluster-b'"), std::string::npos) << error.message;
  EXPECT_EQ(handled, 0);

  const auto beat = member()->beat({});
  ASSERT_FALSE(beat);
  EXPECT_EQ(beat.error().type, ErrorType::kForbidden);
  EXPECT_EQ(beat.error().details, R"({"reason":"stranger"})");

  std::promise<Result<peer::ReplicateReply>> reply;
  replica()->replicate({}, [&](Result<peer::ReplicateReply> result) { reply.set_value(std::move(result)); });
  const auto replicated = reply.get_future().get();
  ASSERT_FALSE(replicated);
  EXPECT_EQ(replicated.error().type, ErrorType::kNodeUnreachable);

  const auto writes = peer().write({{ShardId(1), 1, {}}});
  ASSERT_FALSE(writes.at(0).outcomes);
  EXPECT_EQ(writes[0].outcomes.error().details.find("unknown"), std::string::npos);  // it was not done
}

TEST_F(Admitted, HelloAndClaimAreAnsweredToStrangers) {
  start();
  client_identity.set({"", NodeId("node-9"), 99});
  EXPECT_TRUE(member()->hello({}));
  EXPECT_TRUE(member()->claim({}));
  EXPECT_FALSE(member()->beat({}));
}

TEST_F(Admitted, AProcessOutsideOfAnyClusterServesNobodyElse) {
  server_identity.set({"", testing::kServerNode, testing::kServerRaft});
  client_identity.set({"", NodeId("node-1"), testing::kClientRaft});
  start();
  EXPECT_TRUE(member()->hello({}));
  EXPECT_FALSE(count());
  server_identity.set({"cluster-a", testing::kServerNode, testing::kServerRaft});  // both join while they run
  client_identity.set({"cluster-a", NodeId("node-1"), testing::kClientRaft});
  EXPECT_TRUE(count());
}

TEST_F(Admitted, AnotherProcessAtTheAddressIsNotTheOneThatIsMeant) {
  start();
  peers->set_endpoint(testing::kServerNode, endpoint(), 23);
  Error error = refused_count();
  EXPECT_NE(error.message.find("means 17"), std::string::npos) << error.message;

  peers->set_endpoint(NodeId("node-3"), endpoint());
  const auto other = testing::count_of(*peers->find(NodeId("node-3")), ShardId(1), std::nullopt);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("this is node 'node-2', the sender 'node-1' means node 'node-3'"),
            std::string::npos)
      << other.error().message;
  EXPECT_EQ(handled, 0);
}

class SecretOnTheWire : public Admitted {
 protected:
  void use(const std::string& of_server, const std::string& of_client) {
    server_options.secret = of_server;
    client_options.secret = of_client;
    start();
  }
};

TEST_F(SecretOnTheWire, WhoKnowsItIsServedOnEveryKindOfCall) {
  use("s3cret", "s3cret");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(count()) << i;
  EXPECT_TRUE(member()->beat({}));
  EXPECT_TRUE(member()->hello({}));
  std::promise<Result<peer::ReplicateReply>> reply;
  replica()->replicate({}, [&](Result<peer::ReplicateReply> result) { reply.set_value(std::move(result)); });
  EXPECT_TRUE(reply.get_future().get());
  struct NoSink final : peer::CheckpointSink {
    Result<void> header(const peer::CheckpointHeader&) override { return {}; }
    Result<void> points(std::string) override { return {}; }
    Result<void> index(std::string) override { return {}; }
  } sink;
  const auto fetched = replica()->fetch_checkpoint(ShardId(1), 1, sink);
  ASSERT_FALSE(fetched);  // without a header; but it was admitted
  EXPECT_EQ(fetched.error().type, ErrorType::kInternal) << fetched.error().message;
}

TEST_F(SecretOnTheWire, AnotherOneIsRefusedByTheCallerAlready) {
  use("s3cret", "other");
  const Error error = refused_count();
  EXPECT_EQ(error.type, ErrorType::kNodeUnreachable);
  EXPECT_NE(error.message.find("cluster.secret"), std::string::npos) << error.message;
  const auto hello = member()->hello({});  // strangers are strangers only with the secret
  ASSERT_FALSE(hello);
  EXPECT_EQ(hello.error().type, ErrorType::kUnauthorized);
  EXPECT_EQ(handled, 0);
}

TEST_F(SecretOnTheWire, NoneIsRefusedByTheServer) {
  use("s3cret", "");
  const auto hello = member()->hello({});
  ASSERT_FALSE(hello);
  EXPECT_EQ(hello.error().type, ErrorType::kUnauthorized);
  EXPECT_NE(hello.error().message.find("cluster.secret"), std::string::npos);
  EXPECT_EQ(refused_count().type, ErrorType::kNodeUnreachable);
  EXPECT_EQ(handled, 0);
  EXPECT_NE(server_metrics.expose().find(R"(vectorizer_rpc_server_rejected_total{reason="secret"} 2)"),
            std::string::npos)
      << server_metrics.expose();
}

TEST_F(SecretOnTheWire, AServerWithoutOneIsNotTalkedTo) {
  use("", "s3cret");
  const auto hello = member()->hello({});
  ASSERT_FALSE(hello);
  EXPECT_EQ(hello.error().type, ErrorType::kUnauthorized);
}

TEST_F(SecretOnTheWire, ARestartedServerIsProvenToAgainAndWritesAreDoneOnce) {
  use("s3cret", "s3cret");
  ASSERT_TRUE(count());
  ASSERT_TRUE(peer().write({{ShardId(1), 1, {}}}).at(0).outcomes);
  server->stop(std::chrono::milliseconds(0));
  start_server();
  // The connection must be made again first: a read does that, with repeats.
  Result<std::uint64_t> back = count();
  for (int i = 0; i < 50 && !back; ++i) back = count();
  ASSERT_TRUE(back) << back.error().message;
  handled = 0;
  const auto written = peer().write({{ShardId(1), 1, {}}});
  ASSERT_TRUE(written.at(0).outcomes) << written[0].outcomes.error().message;
  EXPECT_EQ(handled, 1);
}

TEST_F(SecretOnTheWire, ManyCallsInParallelShareASession) {
  use("s3cret", "s3cret");
  std::vector<std::thread> callers;
  std::atomic<int> failed{0};
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < 100; ++k) failed += count() ? 0 : 1;
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(handled, 800);
}

}  // namespace
}  // namespace vectorizer::rpc
