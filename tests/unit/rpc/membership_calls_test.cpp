#include <gtest/gtest.h>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using testing::Pair;

peer::Hello full_hello(const std::string& name) {
  peer::Hello hello;
  hello.node = NodeId(name);
  hello.uuid = name + "-uuid";
  hello.raft_id = 0x7fffffffffffffff;
  hello.endpoint = name + ":15003";
  hello.cluster_id = "c";
  hello.state = peer::IdentityState::kClaimed;
  hello.claimed_by = "someone";
  hello.claimed_by_endpoint = "s:15003";
  hello.has_data = true;
  hello.servers_hash = 0xffffffffffffffff;
  hello.expected_nodes = 3;
  hello.boot_epoch = 4;
  hello.boot_nonce = 5;
  hello.previous_nonce = 6;
  hello.rest_port = 65535;
  hello.version = "0.1.0";
  hello.protocol = 7;
  hello.leader_endpoint = "l:1";
  hello.uptime_seconds = 1.5;
  hello.metadata_epoch = 41;
  hello.metadata_digest = "abcd";
  return hello;
}

void expect_same(const peer::Hello& a, const peer::Hello& b) {
  EXPECT_EQ(std::tie(a.node, a.uuid, a.raft_id, a.endpoint, a.cluster_id, a.state, a.claimed_by, a.has_data),
            std::tie(b.node, b.uuid, b.raft_id, b.endpoint, b.cluster_id, b.state, b.claimed_by, b.has_data));
  EXPECT_EQ(std::tie(a.servers_hash, a.expected_nodes, a.boot_epoch, a.boot_nonce, a.previous_nonce, a.rest_port),
            std::tie(b.servers_hash, b.expected_nodes, b.boot_epoch, b.boot_nonce, b.previous_nonce, b.rest_port));
  EXPECT_EQ(a.claimed_by_endpoint, b.claimed_by_endpoint);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.protocol, b.protocol);
  EXPECT_EQ(a.leader_endpoint, b.leader_endpoint);
  EXPECT_EQ(std::tie(a.uptime_seconds, a.metadata_epoch, a.metadata_digest),
            std::tie(b.uptime_seconds, b.metadata_epoch, b.metadata_digest));
}

class MembershipCalls : public ::testing::Test, protected Pair {
 protected:
  void SetUp() override { start(); }
};

TEST_F(MembershipCalls, HelloBothWays) {
  membership.on_hello = [](const peer::Hello& caller) {
    expect_same(caller, full_hello("node-1"));
    return full_hello("node-2");
  };
  const auto hello = member()->hello(full_hello("node-1"));
  ASSERT_TRUE(hello) << hello.error().message;
  expect_same(*hello, full_hello("node-2"));
}

TEST_F(MembershipCalls, EveryStateOfAnIdentity) {
  using State = peer::IdentityState;
  membership.on_hello = [](const peer::Hello& caller) { return caller; };
  for (const State state : {State::kVirgin, State::kClaimed, State::kJoining, State::kMember, State::kRemoved}) {
    peer::Hello hello;
    hello.state = state;
    const auto back = member()->hello(hello);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->state, state);
  }
}

TEST_F(MembershipCalls, RememberedClaimJoinAndRemoved) {
  const peer::Positions told{9, 5, 6, {{1, 2, 3}, {4, 5, 1ULL << 40}}}, known{9, 2, 3, {{7, 8, 9}}};
  membership.on_remembered = [&](const peer::Positions& positions) {
    EXPECT_EQ(positions, told);
    return peer::Remembered{0xfedcba9876543210, known};
  };
  const auto remembered = member()->remembered(told);
  ASSERT_TRUE(remembered);
  EXPECT_EQ(remembered->boot_nonce, 0xfedcba9876543210U);
  EXPECT_EQ(remembered->positions, known);

  membership.on_claim = [](const peer::ClaimRequest& claim) -> Result<void> {
    EXPECT_EQ(claim.cluster_id, "c");
    EXPECT_EQ(claim.servers_hash, 1U);
    EXPECT_EQ(claim.from_uuid, "u");
    EXPECT_EQ(claim.from_endpoint, "e:1");
    return Error{ErrorType::kConflict, "claimed by another"}.with("by", "x");
  };
  const auto claimed = member()->claim({"c", 1, "u", "e:1"});
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().type, ErrorType::kConflict);
  EXPECT_EQ(claimed.error().details, R"({"by":"x"})");

  membership.on_join = [](const peer::Hello& newcomer) -> Result<void> {
    expect_same(newcomer, full_hello("node-4"));
    return {};
  };
  EXPECT_TRUE(member()->join(full_hello("node-4")));

  membership.on_removed = [](const std::string& cluster) -> Result<void> {
    EXPECT_EQ(cluster, "cluster-a");
    return {};
  };
  EXPECT_TRUE(member()->you_are_removed("cluster-a"));
}

TEST_F(MembershipCalls, NamesThatNoNodeHasAreRefused) {
  int served = 0;
  membership.on_hello = [&](const peer::Hello& caller) { return ++served, caller; };
  membership.on_join = [&](const peer::Hello&) -> Result<void> { return ++served, Result<void>(); };
  membership.on_claim = [&](const peer::ClaimRequest&) -> Result<void> { return ++served, Result<void>(); };
  for (const std::string& bad :
       {std::string("\xff"), std::string("a\0b", 3), std::string("a b"), std::string(301, 'a')}) {
    for (std::string peer::Hello::*name :
         {&peer::Hello::uuid, &peer::Hello::endpoint, &peer::Hello::cluster_id, &peer::Hello::claimed_by,
          &peer::Hello::claimed_by_endpoint, &peer::Hello::version, &peer::Hello::leader_endpoint,
          &peer::Hello::metadata_digest}) {
      auto hello = full_hello("node-1");
      hello.*name = bad;
      EXPECT_FALSE(member()->hello(hello));
      EXPECT_FALSE(member()->join(hello));
    }
    auto hello = full_hello("node-1");
    hello.node = NodeId(bad);
    EXPECT_FALSE(member()->join(hello));
    EXPECT_FALSE(member()->claim({bad, 1, "u", "e:1"}));
    EXPECT_FALSE(member()->claim({"c", 1, bad, "e:1"}));
    EXPECT_FALSE(member()->claim({"c", 1, "u", bad}));
  }
  EXPECT_EQ(served, 0);
}

TEST_F(MembershipCalls, ABeatWithCopies) {
  membership.on_beat = [](const peer::Beat& beat) {
    EXPECT_EQ(beat.node, NodeId("node-1"));
    EXPECT_EQ(beat.raft_id, 11U);
    EXPECT_EQ(beat.boot_nonce, 12U);
    EXPECT_TRUE(beat.stalled);
    EXPECT_EQ(beat.unreachable, std::vector<NodeId>{NodeId("node-3")});
    EXPECT_EQ(beat.copies.size(), 2U);
    const auto& copy = beat.copies[1];
    EXPECT_EQ(copy.shard, ShardId(4));
    EXPECT_EQ(copy.copy, 44U);
    EXPECT_EQ(copy.term, 5U);
    EXPECT_EQ(copy.last, (LogPosition{100, 5}));
    EXPECT_EQ(copy.applied, 99U);
    EXPECT_FALSE(copy.failed);
    EXPECT_TRUE(copy.serving);
    EXPECT_TRUE(copy.leading);
    EXPECT_TRUE(beat.copies[0].failed);
    EXPECT_EQ(beat.servers_hash, 13U);
    return peer::BeatReply{true, 77, {{NodeId("node-2"), std::chrono::milliseconds(250), 14}}, "why"};
  };
  peer::Beat beat;
  beat.node = NodeId("node-1");
  beat.raft_id = 11;
  beat.boot_nonce = 12;
  beat.stalled = true;
  beat.servers_hash = 13;
  beat.copies.resize(2);
  beat.copies[0].failed = true;
  beat.copies[1] = {ShardId(4), 44, 5, {100, 5}, 99, false, true, true};
  beat.unreachable = {NodeId("node-3")};
  const auto reply = member()->beat(beat);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->lease);
  EXPECT_EQ(reply->metadata_epoch, 77U);
  ASSERT_EQ(reply->heard.size(), 1U);
  EXPECT_EQ(reply->heard[0].node, NodeId("node-2"));
  EXPECT_EQ(reply->heard[0].silence, std::chrono::milliseconds(250));
  EXPECT_EQ(reply->heard[0].servers_hash, 14U);
  EXPECT_EQ(reply->refusal, "why");
}

TEST_F(MembershipCalls, ProposeAndBarrier) {
  const std::string command("\0binary\xff", 8);
  membership.on_propose = [&](const std::string& got) -> Result<std::uint64_t> {
    EXPECT_EQ(got, command);
    return 5;
  };
  EXPECT_EQ(*member()->propose(command), 5U);
  membership.on_barrier = []() -> Result<std::uint64_t> {
    return Error{ErrorType::kNoLeader, "no leader"}.with("leader", "node-3");
  };
  const auto epoch = member()->barrier();
  ASSERT_FALSE(epoch);
  EXPECT_EQ(epoch.error().type, ErrorType::kNoLeader);
  EXPECT_EQ(epoch.error().details, R"({"leader":"node-3"})");
}

TEST_F(MembershipCalls, ABeatDoesNotWaitForChangesThatHang) {
  testing::Gate gate;
  std::atomic<int> hanging{0};
  membership.on_propose = [&](const std::string&) -> Result<std::uint64_t> {
    ++hanging;
    gate.wait();
    return 1;
  };
  membership.on_beat = [](const peer::Beat&) { return peer::BeatReply{true, 1}; };
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { EXPECT_TRUE(member()->propose("x")); });
  while (hanging < 4) std::this_thread::yield();  // the threads for changes are taken, others wait
  EXPECT_TRUE(member()->beat({}));
  gate.open();
  for (auto& caller : callers) caller.join();
}

}  // namespace
}  // namespace vectorizer::rpc
