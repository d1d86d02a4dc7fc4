#include "vectorizer/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace vectorizer::config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> lines_of(const Outcome& outcome) {
  std::vector<std::string> lines;
  for (const auto& problem : outcome.problems) lines.push_back(problem.to_string());
  return lines;
}

std::vector<std::string> problems_in(std::string_view yaml) {
  return lines_of(load_text(yaml, "f.yml"));
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    std::string pattern = (std::filesystem::temp_directory_path() / "vectorizer-config-XXXXXX").string();
    const int descriptor = ::mkstemp(pattern.data());
    EXPECT_GE(descriptor, 0);
    ::close(descriptor);
    path_ = pattern;
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(LoadText, AnEmptyFileAndEmptySectionsGiveTheDefaults) {
  for (const char* text : {"", "# nothing\n", "---\n", "server:\nstorage:\n", "cluster:\n  servers:\n"}) {
    const auto outcome = load_text(text);
    EXPECT_TRUE(outcome.ok()) << text << ": " << ::testing::PrintToString(lines_of(outcome));
    EXPECT_EQ(to_yaml(outcome.settings), to_yaml(Settings{})) << text;
  }
}

TEST(LoadText, SetsValuesOfEveryType) {
  const auto outcome = load_text(R"(
server: {host: "::1", port: 80, max_body_bytes: 5000000000}
storage: {data_dir: /var/lib/x, sync: interval}
index: {compaction_threshold: 0.5}
cluster: {enabled: true, node_id: a, servers: [{id: a, address: host-1.example}]}
)");
  ASSERT_TRUE(outcome.ok()) << ::testing::PrintToString(lines_of(outcome));
  EXPECT_EQ(outcome.settings.server.host, "::1");
  EXPECT_EQ(outcome.settings.server.port, 80);
  EXPECT_EQ(outcome.settings.server.max_body_bytes, 5000000000U);
  EXPECT_EQ(outcome.settings.storage.data_dir, "/var/lib/x");
  EXPECT_EQ(outcome.settings.storage.sync, "interval");
  EXPECT_EQ(outcome.settings.index.compaction_threshold, 0.5);
  EXPECT_TRUE(outcome.settings.cluster.enabled);
  ASSERT_EQ(outcome.settings.cluster.servers.size(), 1U);
  EXPECT_EQ(outcome.settings.cluster.servers[0].address, "host-1.example");
  EXPECT_EQ(outcome.settings.cluster.servers[0].grpc_port, 15003);
}

TEST(LoadText, ReportsEverythingAtOnceWithLineAndKey) {
  EXPECT_THAT(problems_in("server:\n"
                          "  prot: 1\n"
                          "  port: 70000\n"
                          "  host: example.org\n"
                          "sever:\n"
                          "  port: 1\n"
                          "log:\n"
                          "  level: loud\n"
                          "  level: info\n"
                          "limits: 3\n"
                          "index:\n"
                          "  threads: [1]\n"),
              ElementsAre("f.yml:2: server.prot: unknown key; did you mean server.port?",
                          "f.yml:3: server.port: must be between 0 and 65535, not \"70000\"",
                          "f.yml:4: server.host: must be an IP address or localhost, not \"example.org\"",
                          "f.yml:5: sever: unknown key; did you mean server?",
                          "f.yml:8: log.level: must be one of trace, debug, info, warn, error, not \"loud\"",
                          "f.yml:9: log.level: is there twice", "f.yml:10: limits: must be a mapping",
                          "f.yml:12: index.threads: must be an integer, not a list"));
}

struct BadValue {
  const char* yaml;
  const char* message;
};

class LoadTextBadValue : public ::testing::TestWithParam<BadValue> {};

TEST_P(LoadTextBadValue, IsNamed) {
  const auto problems = problems_in(GetParam().yaml);
  ASSERT_EQ(problems.size(), 1U) << ::testing::PrintToString(problems);
  EXPECT_THAT(problems[0], HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, LoadTextBadValue,
    ::testing::Values(
        BadValue{"server: {port: -1}", "server.port: must be between 0 and 65535, not \"-1\""},
        BadValue{"server: {port: 1.5}", "server.port: must be an integer, not \"1.5\""},
        BadValue{"server: {port: 99999999999999999999999}", "server.port: must be between"},
        BadValue{"server: {port: \"15002\"}", "server.port: must be an integer, not text in quotes"},
        BadValue{"server: {port: eighty}", "server.port: must be an integer, not \"eighty\""},
        BadValue{"server: {port: 0x50}", "server.port: must be an integer"},
        BadValue{"server: {port: }", "server.port: has no value"},
        BadValue{"server: {request_threads: 0}", "server.request_threads: must be between 1 and 4096"},
        BadValue{"server: {host: 300.1.1.1}", "server.host: must be an IP address or localhost"},
        BadValue{"server: {data_dir: x}", "did you mean storage.data_dir?"},
        BadValue{"index: {compaction_threshold: .nan}", "index.compaction_threshold: must be"},
        BadValue{"index: {compaction_threshold: 1.5}", "between 0.01 and 1, not \"1.5\""},
        BadValue{"cluster: {enabled: yes}", "cluster.enabled: must be true or false, not \"yes\""},
        BadValue{"cluster: {node_id: a b}", "cluster.node_id: must be 1 to 255"},
        BadValue{"storage: {data_dir: ''}", "storage.data_dir: must not be empty"},
        BadValue{"storage: {data_dir: {a: b}}", "storage.data_dir: must be a text, not a mapping"},
        BadValue{"cluster: {servers: 3}", "cluster.servers: must be a list"},
        BadValue{"cluster: {servers: [3]}", "cluster.servers[0]: must be a mapping"},
        BadValue{"cluster: {servers: [{address: h}]}", "cluster.servers[0].id: is missing"},
        BadValue{"cluster: {servers: [{id: a, address: h, port: 1}]}", "cluster.servers[0].port: unknown key"},
        BadValue{"cluster: {servers: [{id: a, address: h, grpc_port: 0}]}", "grpc_port: must be between 1 and 65535"},
        BadValue{"cluster: {servers: [{id: a, address: 'h/x'}]}", "address: must be a host name or an IP address"},
        BadValue{"[1, 2]", "must be a mapping of sections"}, BadValue{"? [a]\n: b", "a key must be a name"},
        BadValue{"server: {port: 1}\n---\nb: 2", "must hold one document"}, BadValue{"server: {port: 1", "is not YAML"},
        BadValue{"server: *nowhere", "is not YAML"}, BadValue{"\tserver: 1", "is not YAML"}),
    [](const auto& value) { return std::to_string(value.index); });

TEST(LoadText, ServersMustDiffer) {
  EXPECT_THAT(problems_in("cluster:\n"
                          "  servers:\n"
                          "    - {id: a, address: h1}\n"
                          "    - {id: b, address: h2}\n"
                          "    - {id: a, address: h3}\n"
                          "    - {id: c, address: h2}\n"),
              ElementsAre("f.yml:5: cluster.servers[2].id: 'a' is already the id of cluster.servers[0]",
                          "f.yml:6: cluster.servers[3].address: 'h2:15003' is already the address of "
                          "cluster.servers[1]"));
}

TEST(LoadText, AClusterNodeMustBeOneOfTheServers) {
  EXPECT_THAT(problems_in("cluster:\n  enabled: true\n  node_id: z\n  servers:\n    - {id: a, address: h1}\n"),
              ElementsAre("f.yml:3: cluster.node_id: 'z' is not the id of one of cluster.servers"));
  EXPECT_THAT(problems_in("cluster:\n  enabled: true\n"), ElementsAre(HasSubstr("must list the servers")));
  EXPECT_THAT(problems_in("cluster:\n  enabled: true\n  discovery: dns\n  dns_name: vectorizer\n  expected_nodes: 3\n"),
              IsEmpty());
  EXPECT_THAT(
      problems_in("cluster:\n  enabled: true\n  discovery: dns\n"),
      ElementsAre(HasSubstr("cluster.dns_name: must be set"), HasSubstr("cluster.expected_nodes: must be set")));
  EXPECT_THAT(problems_in("cluster:\n  secret: a\n  secret_file: b\n"), ElementsAre(HasSubstr("one of them")));
  EXPECT_THAT(problems_in("cluster:\n  bind_host: nowhere\n"), ElementsAre(HasSubstr("cluster.bind_host")));
}

TEST(LoadText, HostileDocumentsEndQuickly) {
  std::string aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) aliases += ", " + before;
    aliases += "]\n";
  }
  EXPECT_EQ(problems_in(aliases).size(), 20U);  // twenty unknown sections
  EXPECT_THAT(problems_in(std::string(100000, '[')), ElementsAre(HasSubstr("is not YAML")));
  EXPECT_THAT(problems_in(", x"), ElementsAre(HasSubstr("must hold one document")));
  EXPECT_THAT(problems_in(std::string((1 << 20) + 1, ' ')), ElementsAre(HasSubstr("larger than 1 MiB")));
}

TEST(Load, FileIsWeakerThanEnvironmentIsWeakerThanFlags) {
  const TemporaryFile file("server: {port: 1, host: 10.0.0.1, queue_limit: 7}\n");
  Sources sources;
  sources.file = file.path();
  sources.environment = {{"VECTORIZER_SERVER_PORT", "2"}, {"VECTORIZER_SERVER_HOST", "10.0.0.2"}};
  sources.flags = {{"server.port", "3", "--port"}};
  const auto outcome = load(sources);
  ASSERT_TRUE(outcome.ok()) << ::testing::PrintToString(lines_of(outcome));
  EXPECT_EQ(outcome.settings.server.port, 3);
  EXPECT_EQ(outcome.settings.server.host, "10.0.0.2");
  EXPECT_EQ(outcome.settings.server.queue_limit, 7U);
  EXPECT_EQ(outcome.settings.server.max_connections, ServerSettings{}.max_connections);
}

TEST(Load, TheEnvironmentNamesTheFileAndTheFlagWins) {
  const TemporaryFile file("server: {port: 1}\n"), other("server: {port: 2}\n");
  Sources sources;
  sources.environment = {{"VECTORIZER_CONFIG", file.path().string()}};
  EXPECT_EQ(load(sources).settings.server.port, 1);
  EXPECT_EQ(load(sources).file, file.path());
  sources.file = other.path();
  EXPECT_EQ(load(sources).settings.server.port, 2);
}

TEST(Load, AMissingFileIsReportedWithEverythingElse) {
  Sources sources;
  sources.file = "/no/such/file.yml";
  sources.environment = {{"VECTORIZER_SERVER_PORT", "x"}, {"VECTORIZER_SERVER_PROT", "1"}};
  sources.flags = {{"log.level", "loud", "--log-level"}};
  EXPECT_THAT(lines_of(load(sources)),
              ElementsAre("/no/such/file.yml: cannot be read: No such file or directory",
                          "VECTORIZER_SERVER_PORT: server.port: must be an integer, not \"x\"",
                          "VECTORIZER_SERVER_PROT: unknown variable; did you mean VECTORIZER_SERVER_PORT?",
                          StartsWith("--log-level: log.level: must be one of")));
  sources.file = "/";
  EXPECT_THAT(lines_of(load(sources)), Contains("/: is a directory"));
}

TEST(Load, ServiceLinksOfThePlatformAreIgnoredWithANote) {
  Sources sources;
  sources.environment = {{"VECTORIZER_SERVER_PORT", "tcp://10.0.0.1:15002"},
                         {"VECTORIZER_PORT", "tcp://10.0.0.1:15002"},
                         {"VECTORIZER_SERVICE_HOST", "10.0.0.1"},
                         {"VECTORIZER_SERVER_SERVICE_PORT", "15002"},
                         {"VECTORIZER_CLUSTER_PORT_15003_TCP_ADDR", "10.0.0.1"},
                         {"VECTORIZER_CONFIG", "tcp://10.0.0.1:15002"},
                         {"PATH", "/bin"}};
  const auto outcome = load(sources);
  EXPECT_THAT(lines_of(outcome), IsEmpty());
  EXPECT_EQ(outcome.settings.server.port, ServerSettings{}.port);
  EXPECT_EQ(outcome.notes.size(), 5U);
  EXPECT_THAT(outcome.notes, Contains(HasSubstr("VECTORIZER_SERVER_PORT is ignored")));
}

TEST(Load, AListInTheEnvironmentIsAProblem) {
  Sources sources;
  sources.environment = {{"VECTORIZER_CLUSTER_SERVERS", "a,b"}};
  EXPECT_THAT(lines_of(load(sources)), ElementsAre(HasSubstr("can only be set in the file")));
}

TEST(ProcessEnvironment, HoldsOnlyOurVariables) {
  ASSERT_EQ(::setenv("VECTORIZER_SERVER_PORT", "4711=x", 1), 0);
  const auto variables = process_environment();
  EXPECT_EQ(::unsetenv("VECTORIZER_SERVER_PORT"), 0);
  ASSERT_EQ(variables.count("VECTORIZER_SERVER_PORT"), 1U);
  EXPECT_EQ(variables.at("VECTORIZER_SERVER_PORT"), "4711=x");
  for (const auto& [name, value] : variables) EXPECT_THAT(name, StartsWith("VECTORIZER_"));
}

}  // namespace
}  // namespace vectorizer::config
