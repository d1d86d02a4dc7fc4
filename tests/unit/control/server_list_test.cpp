#include "vectorizer/control/server_list.hpp"

#include <gmock/gmock.h>

namespace vectorizer::control {
namespace {

TEST(ServerList, AnEndpointBracketsIpv6) {
  EXPECT_EQ(make_endpoint("node-1.example", 15003), "node-1.example:15003");
  EXPECT_EQ(make_endpoint("fd00::1", 15003), "[fd00::1]:15003");
}

TEST(ServerList, TheHashDependsOnWhatIsListedNotOnTheOrder) {
  const ListedServer a{"a", "10.0.0.1:15003"}, b{"b", "10.0.0.2:15003"}, c{"c", "10.0.0.3:15003"};
  EXPECT_EQ(servers_hash({a, b}), servers_hash({b, a}));
  EXPECT_NE(servers_hash({a, b}), servers_hash({a, b, c}));
  EXPECT_NE(servers_hash({a, b}), servers_hash({a, c}));
}

TEST(ServerList, ResolvesANameAndNamesTheOneThatDoesNotResolve) {
  const auto found = resolve_addresses("localhost");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(*found, ::testing::Contains(::testing::AnyOf("127.0.0.1", "::1")));
  const auto missing = resolve_addresses("no-such-host.invalid");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr("no-such-host.invalid"));
}

}  // namespace
}  // namespace vectorizer::control
