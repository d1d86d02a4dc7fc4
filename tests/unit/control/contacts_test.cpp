#include "contacts.hpp"

#include <gtest/gtest.h>

namespace vectorizer::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const NodeId kOne("node-1"), kTwo("node-2");

peer::BeatReply told(milliseconds silence, std::uint64_t servers_hash = 7) {
  peer::BeatReply reply;
  reply.heard.push_back({kTwo, silence, servers_hash});
  return reply;
}

TEST(Contacts, WhatTheLeaderTellsIsCountedFromWhenItWasTold) {
  Contacts contacts;
  contacts.learn(told(milliseconds(300)), seconds(10));
  EXPECT_EQ(contacts.all().at(kTwo).at, milliseconds(9700));
  EXPECT_EQ(contacts.all().at(kTwo).servers_hash, 7U);
  EXPECT_FALSE(contacts.all().contains(kOne)) << "nobody has heard of it";
}

TEST(Contacts, TheLatestNewsCounts) {
  Contacts contacts;
  contacts.learn(told(milliseconds(0)), seconds(10));
  // A new leader has not heard of it for longer than the last one had.
  contacts.learn(told(milliseconds(5000), 8), seconds(11));
  EXPECT_EQ(contacts.all().at(kTwo).at, seconds(10));
  EXPECT_EQ(contacts.all().at(kTwo).servers_hash, 8U);
  contacts.met(kTwo, seconds(12));
  EXPECT_EQ(contacts.all().at(kTwo).at, seconds(12));
  EXPECT_EQ(contacts.all().at(kTwo).servers_hash, 8U);
}

TEST(Contacts, ANodeThatThisOneSpokeToHasNoKnownListOfServers) {
  Contacts contacts;
  contacts.met(kOne, seconds(1));
  EXPECT_EQ(contacts.all().at(kOne).servers_hash, std::nullopt);
}

}  // namespace
}  // namespace vectorizer::control
