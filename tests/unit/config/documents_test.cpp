#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "key_table.hpp"
#include "vectorizer/config/load.hpp"

/// What is shipped and written about the configuration, held against the code.
namespace vectorizer::config {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kSource = VECTORIZER_SOURCE_DIR;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string problems_of(const Outcome& outcome) {
  std::string text;
  for (const auto& problem : outcome.problems) text += problem.to_string() + "\n";
  return text;
}

TEST(ConfigurationDocument, HasTheTableOfTheCode) {
  EXPECT_THAT(text_of(kSource / "docs/configuration.md"),
              HasSubstr("<!-- keys -->\n" + keys_as_markdown() + "<!-- end of keys -->"))
      << "put this table between the two marks of docs/configuration.md";
}

TEST(ConfigurationDocument, NamesAreUniqueAlsoInTheEnvironment) {
  std::vector<std::string> names;
  for (const auto& key : setting_keys()) names.push_back(environment_name(key.path));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(ConfigurationDocument, DefaultsAreWithinTheirRanges) {
  const auto outcome = load_text(to_yaml(Settings{}));
  EXPECT_TRUE(outcome.ok()) << problems_of(outcome);
}

TEST(ToYaml, ReadsBackAsTheSameSettings) {
  Settings settings;
  settings.server.host = "::1";
  settings.server.max_body_bytes = 123456789012;
  settings.storage.data_dir = "a \"quoted\"\\ \n# directory: {x} \xC3\xA9";
  settings.storage.sync = "interval";
  settings.index.compaction_threshold = 0.123456789;
  settings.cluster.enabled = true;
  settings.cluster.node_id = "123";
  settings.cluster.servers = {{"123", "10.0.0.1", 1}, {"true", "fe80::1", 65535}};
  const auto yaml = to_yaml(settings);
  const auto outcome = load_text(yaml);
  ASSERT_TRUE(outcome.ok()) << problems_of(outcome) << yaml;
  EXPECT_EQ(to_yaml(outcome.settings), yaml);
  EXPECT_EQ(outcome.settings.storage.data_dir, settings.storage.data_dir);
  EXPECT_EQ(outcome.settings.index.compaction_threshold, 0.123456789);
  EXPECT_EQ(outcome.settings.cluster.servers[1].id, "true");
}

TEST(ToYaml, HidesTheSecret) {
  Settings settings;
  settings.cluster.secret = "hunter2";
  EXPECT_THAT(to_yaml(settings), HasSubstr("  secret: \"(hidden)\"\n"));
}

TEST(ShippedConfiguration, VectorizerYmlLoadsAndShowsEveryDefault) {
  const auto text = text_of(kSource / "config/vectorizer.yml");
  const auto as_shipped = load_text(text, "vectorizer.yml");
  EXPECT_TRUE(as_shipped.ok()) << problems_of(as_shipped);
  EXPECT_EQ(to_yaml(as_shipped.settings), to_yaml(Settings{}));

  const auto uncommented = std::regex_replace(text, std::regex("\n  # ([a-z_]+: \\S)"), "\n  $1");
  const auto outcome = load_text(uncommented, "vectorizer.yml without '#'");
  EXPECT_TRUE(outcome.ok()) << problems_of(outcome);
  EXPECT_EQ(to_yaml(outcome.settings), to_yaml(Settings{}));
  for (const auto& key : setting_keys()) {
    const std::string name(key.path.substr(section_of(key.path).size() + 1));
    EXPECT_THAT(uncommented, HasSubstr("\n  " + name + ": "));
  }
}

TEST(ShippedConfiguration, TheThreeNodesOfTheClusterLoad) {
  for (const std::string number : {"1", "2", "3"}) {
    Sources sources;
    sources.file = kSource / "config/cluster" / ("node-" + number + ".yml");
    const auto outcome = load(sources);
    ASSERT_TRUE(outcome.ok()) << problems_of(outcome);
    EXPECT_EQ(outcome.settings.server.host, "0.0.0.0");
    EXPECT_EQ(outcome.settings.server.port, 15002);
    const auto& cluster = outcome.settings.cluster;
    EXPECT_TRUE(cluster.enabled);
    EXPECT_EQ(cluster.node_id, "node-" + number);
    EXPECT_EQ(cluster.discovery, "static");
    EXPECT_EQ(cluster.timeout_ms, 5000U);
    EXPECT_EQ(cluster.retry_count, 3U);
    ASSERT_EQ(cluster.servers.size(), 3U);
    EXPECT_EQ(cluster.servers[2].id, "node-3");
    EXPECT_EQ(cluster.servers[2].address, "192.168.1.12");
    EXPECT_EQ(cluster.servers[2].grpc_port, 15003);
  }
}

}  // namespace
}  // namespace vectorizer::config
