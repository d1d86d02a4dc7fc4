#include "suggest.hpp"

#include <gtest/gtest.h>

namespace vectorizer::config {
namespace {

TEST(NearestName, FindsTypingMistakes) {
  EXPECT_EQ(nearest_name("server.prot", known_paths()), "server.port");
  EXPECT_EQ(nearest_name("storge", known_paths()), "storage");
  EXPECT_EQ(nearest_name("cluster.server", known_paths()), "cluster.servers");
  EXPECT_EQ(nearest_name("limits.max_batch_vector", known_paths()), "limits.max_batch_vectors");
}

TEST(NearestName, FindsAKeyUnderTheWrongSection) {
  EXPECT_EQ(nearest_name("server.min_free_bytes", known_paths()), "storage.min_free_bytes");
}

TEST(NearestName, DoesNotGuessWildly) {
  EXPECT_EQ(nearest_name("server.authentication", known_paths()), std::nullopt);
  EXPECT_EQ(nearest_name("kitchen", known_paths()), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), known_paths()), std::nullopt);
  EXPECT_EQ(nearest_name("", known_paths()), std::nullopt);
}

}  // namespace
}  // namespace vectorizer::config
