// The program is no library, so its command line is compiled into this test.
#include "../../../src/app/options.cpp"  // NOLINT(bugprone-suspicious-include)

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vectorizer::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// argv of "vectorizer" and the given arguments.
class Arguments {
 public:
  Arguments(std::initializer_list<const char*> arguments) : text_{"vectorizer"} {
    text_.insert(text_.end(), arguments.begin(), arguments.end());
    for (auto& argument : text_) pointers_.push_back(argument.data());
    pointers_.push_back(nullptr);
  }
  CommandLine parse() { return parse_command_line(static_cast<int>(text_.size()), pointers_.data()); }

  Arguments(const Arguments&) = delete;  // pointers_ point into text_
  Arguments& operator=(const Arguments&) = delete;

 private:
  std::vector<std::string> text_;
  std::vector<char*> pointers_;
};

TEST(CommandLine, WithoutArgumentsServes) {
  const auto line = Arguments({}).parse();
  EXPECT_EQ(line.mode, Mode::kServe);
  EXPECT_EQ(line.sources.file, std::nullopt);
  EXPECT_THAT(line.sources.flags, IsEmpty());
}

TEST(CommandLine, FlagsBecomeSettings) {
  auto line = Arguments({"--config", "f.yml", "--host", "::1", "--port=80", "--data-dir", "/d", "--log-level", "debug",
                         "--node-id", "n7"})
                  .parse();
  EXPECT_EQ(line.mode, Mode::kServe);
  EXPECT_EQ(line.sources.file, "f.yml");
  line.sources.file.reset();
  const auto outcome = config::load(line.sources);
  ASSERT_TRUE(outcome.ok()) << problems_text(outcome);
  EXPECT_EQ(outcome.settings.server.host, "::1");
  EXPECT_EQ(outcome.settings.server.port, 80);
  EXPECT_EQ(outcome.settings.storage.data_dir, "/d");
  EXPECT_EQ(outcome.settings.log.level, "debug");
  EXPECT_EQ(outcome.settings.cluster.node_id, "n7");
}

TEST(CommandLine, ABadValueOfAFlagIsABadConfigurationThatNamesTheFlag) {
  const auto line = Arguments({"--check-config", "--port", "x", "--data-dir", ""}).parse();
  ASSERT_EQ(line.mode, Mode::kCheckConfig);
  const auto outcome = config::load(line.sources);
  EXPECT_EQ(problems_text(outcome),
            "--port: server.port: must be an integer, not \"x\"\n"
            "--data-dir: storage.data_dir: must not be empty\n"
            "vectorizer: 2 problems in the configuration\n");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(check_config(outcome), kExitConfiguration);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), problems_text(outcome));
}

TEST(CommandLine, CheckConfigPrintsTheEffectiveYaml) {
  const auto line = Arguments({"--check-config", "--port", "1234"}).parse();
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(check_config(config::load(line.sources)), kExitOk);
  const auto printed = config::load_text(::testing::internal::GetCapturedStdout());
  EXPECT_TRUE(printed.ok());
  EXPECT_EQ(printed.settings.server.port, 1234);
}

TEST(CommandLine, VersionAndHelp) {
  EXPECT_EQ(Arguments({"--version"}).parse().mode, Mode::kVersion);
  const auto help = Arguments({"--help"}).parse();
  EXPECT_EQ(help.mode, Mode::kHelp);
  for (const char* part : {"--config", "--data-dir", "--check-config", "import", "export", "health", "cluster", "completion", "78"}) {
    EXPECT_THAT(help.text, HasSubstr(part));
  }
}

TEST(CommandLine, BadUsageSaysWhat) {
  for (const auto& line : {Arguments({"--prot", "1"}).parse(), Arguments({"--port"}).parse(),
                           Arguments({"frobnicate"}).parse(), Arguments({"--port", "1", "--port", "2"}).parse()}) {
    EXPECT_EQ(line.mode, Mode::kUsage);
    EXPECT_THAT(line.text, HasSubstr("vectorizer --help"));
  }
  const auto mixed = Arguments({"--port", "1", "import", "x.npy"}).parse();
  EXPECT_EQ(mixed.mode, Mode::kUsage);
  EXPECT_THAT(mixed.text, HasSubstr("write 'vectorizer import ...'"));
}

TEST(CommandLine, CommandsKeepTheirArguments) {
  Arguments arguments({"import", "x.npy", "--collection", "c", "--help", "--", "--port"});
  const auto line = arguments.parse();
  EXPECT_EQ(line.mode, Mode::kClient);
  ASSERT_EQ(line.rest_count, 7);
  EXPECT_STREQ(line.rest[0], "import");
  EXPECT_STREQ(line.rest[6], "--port");
  EXPECT_EQ(Arguments({"export"}).parse().mode, Mode::kClient);
  EXPECT_EQ(Arguments({"health", "--url", "u"}).parse().mode, Mode::kClient);
  EXPECT_EQ(Arguments({"completion", "bash"}).parse().mode, Mode::kCompletion);
}

}  // namespace
}  // namespace vectorizer::app
