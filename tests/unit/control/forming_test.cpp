#include "forming.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace vectorizer::control {
namespace {

using peer::Hello;
using peer::IdentityState;
using Kind = FormingStep::Kind;
using ::testing::HasSubstr;

constexpr std::uint64_t kList = 77;

Hello node(int number, IdentityState state = IdentityState::kVirgin) {
  Hello hello;
  hello.node = NodeId("node-" + std::to_string(number));
  hello.uuid = "uuid-" + std::to_string(number);
  hello.endpoint = "10.0.0." + std::to_string(number) + ":15003";
  hello.state = state;
  hello.servers_hash = kList;
  if (state == IdentityState::kMember) hello.cluster_id = "c1";
  return hello;
}

std::vector<Greeting> answers(const std::vector<Hello>& nodes) {
  std::vector<Greeting> greetings;
  for (const auto& hello : nodes) greetings.push_back({hello.node.value(), hello.endpoint, hello, ""});
  return greetings;
}

TEST(FormingStep, TheFirstOfTheListFormsWhenAllAreVirgin) {
  const auto all = answers({node(1), node(2), node(3)});
  EXPECT_EQ(next_forming_step(node(1), all, 3).kind, Kind::kForm);
  const auto second = next_forming_step(node(2), all, 3);
  EXPECT_EQ(second.kind, Kind::kWait);
  EXPECT_THAT(second.reason, HasSubstr("'node-1' forms"));
}

TEST(FormingStep, ANodeThatJoinsAnotherClusterIsNamedWithWhatToDo) {
  auto other = node(2, IdentityState::kJoining);
  other.cluster_id = "c0";
  const auto step = next_forming_step(node(1), answers({node(1), other, node(3)}), 3);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_THAT(step.reason, HasSubstr("'node-2' is on its way into another cluster, c0"));
  EXPECT_THAT(step.reason, HasSubstr("empty its data directory"));
}

TEST(FormingStep, NobodyFormsWhileOneIsSilent) {
  auto some = answers({node(1), node(2), node(3)});
  some[2].answer.reset();
  const auto step = next_forming_step(node(1), some, 3);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_EQ(step.reason, "forming: waiting for node-3");
}

TEST(FormingStep, AWipedFirstNodeJoinsTheOthersInsteadOfForming) {
  const auto step = next_forming_step(
      node(1), answers({node(1), node(2, IdentityState::kMember), node(3, IdentityState::kMember)}), 3);
  EXPECT_EQ(step.kind, Kind::kJoin);
  EXPECT_EQ(step.join_endpoint, "10.0.0.2:15003");
  EXPECT_EQ(step.join_cluster_id, "c1");
}

TEST(FormingStep, AWipedNodeThatMeetsNoMemberWaits) {
  auto greetings = answers({node(1), node(2, IdentityState::kMember), node(3, IdentityState::kMember)});
  greetings[1].answer.reset();
  greetings[2].answer.reset();
  EXPECT_EQ(next_forming_step(node(1), greetings, 3).kind, Kind::kWait);
}

TEST(FormingStep, AFourthNodeWithALongerListDoesNotFormWithTheThree) {
  auto fourth = node(0);  // sorts first
  fourth.servers_hash = 78;
  const auto step = next_forming_step(fourth, answers({fourth, node(1), node(2), node(3)}), 4);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_THAT(step.reason, HasSubstr("another list"));
}

TEST(FormingStep, ANodeClaimedByTheFounderDoesNotHinderIt) {
  auto claimed = node(2, IdentityState::kClaimed);
  claimed.claimed_by = "uuid-1";
  EXPECT_EQ(next_forming_step(node(1), answers({node(1), claimed, node(3)}), 3).kind, Kind::kForm);
  claimed.claimed_by = "uuid-9";
  EXPECT_EQ(next_forming_step(node(1), answers({node(1), claimed, node(3)}), 3).kind, Kind::kWait);
}

TEST(FormingStep, TheNodeWithDataFormsAndTwoOfThemRefuseEachOther) {
  auto full = node(3);
  full.has_data = true;
  const auto one = answers({node(1), node(2), full});
  EXPECT_EQ(next_forming_step(full, one, 3).kind, Kind::kForm);
  EXPECT_EQ(next_forming_step(node(1), one, 3).kind, Kind::kWait);
  auto other = node(2);
  other.has_data = true;
  const auto two = next_forming_step(full, answers({node(1), other, full}), 3);
  EXPECT_EQ(two.kind, Kind::kWait);
  EXPECT_THAT(two.reason, HasSubstr("both hold collections"));
}

TEST(FormingStep, ANodeWithDataNeverJoins) {
  auto full = node(3);
  full.has_data = true;
  const auto step = next_forming_step(full, answers({node(1, IdentityState::kMember), node(2), full}), 3);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_THAT(step.reason, HasSubstr("export them"));
}

TEST(FormingStep, TwoClustersInOneListAreRefused) {
  auto stranger = node(2, IdentityState::kMember);
  stranger.cluster_id = "c2";
  const auto step = next_forming_step(node(3), answers({node(1, IdentityState::kMember), stranger, node(3)}), 3);
  EXPECT_EQ(step.kind, Kind::kWait);
  EXPECT_THAT(step.reason, HasSubstr("different clusters"));
}

TEST(FormingStep, DnsMayNameOneNodeTwiceAndMustNameAll) {
  auto twice = answers({node(1), node(1), node(2)});
  twice[1].endpoint = "[::1]:15003";
  EXPECT_EQ(next_forming_step(node(1), twice, 3).kind, Kind::kWait);
  twice.push_back({"", "10.0.0.3:15003", node(3), ""});
  EXPECT_EQ(next_forming_step(node(1), twice, 3).kind, Kind::kForm);
  twice.push_back({"", "10.0.0.4:15003", node(4), ""});
  EXPECT_THAT(next_forming_step(node(1), twice, 3).reason, HasSubstr("4 nodes answer where 3 are expected"));
}

TEST(FormingStep, OneNameForTwoServersIsRefused) {
  auto twin = node(2);
  twin.node = NodeId("node-1");
  EXPECT_THAT(next_forming_step(node(1), answers({node(1), twin}), 2).reason, HasSubstr("unique"));
}

TEST(Claim, IsGivenOnceAndToOneFounderOnly) {
  const peer::ClaimRequest request{"c1", kList, "uuid-1", "10.0.0.1:15003"};
  EXPECT_TRUE(check_claim(node(2), request));
  auto claimed = node(2, IdentityState::kClaimed);
  claimed.claimed_by = "uuid-1";
  EXPECT_TRUE(check_claim(claimed, request)) << "the founder may have crashed and asks again";
  claimed.claimed_by = "uuid-3";
  EXPECT_FALSE(check_claim(claimed, request));
  claimed.claimed_by_endpoint = "10.0.0.1:15003";
  EXPECT_TRUE(check_claim(claimed, request)) << "the founder may have lost its disk before it had formed anything";
  EXPECT_FALSE(check_claim(node(2, IdentityState::kMember), request));
  auto full = node(2);
  full.has_data = true;
  EXPECT_FALSE(check_claim(full, request));
  auto differs = node(2);
  differs.servers_hash = 1;
  EXPECT_FALSE(check_claim(differs, request));
}

}  // namespace
}  // namespace vectorizer::control
