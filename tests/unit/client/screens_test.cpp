#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "cluster_views.hpp"
#include "query_vector.hpp"
#include "server_call.hpp"
#include "table.hpp"
#include "text_width.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, text_width(line));
  return widest;
}

TEST(TextWidth, CountsColumnsAndNotBytes) {
  EXPECT_EQ(text_width(""), 0U);
  EXPECT_EQ(text_width("node"), 4U);
  EXPECT_EQ(text_width("Zürich"), 6U);
  EXPECT_EQ(text_width("東京"), 4U);
  EXPECT_EQ(text_width("e\u0301"), 1U);  // a combining accent
  EXPECT_EQ(text_width("\xff"), 1U);
}

TEST(TextWidth, ShortensBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "ab…");
  EXPECT_EQ(shortened("東京都", 4), "東…");  // half a character does not fit
  EXPECT_EQ(shortened("東京都", 1), "…");
  EXPECT_EQ(shortened("abc", 0), "");
}

TEST(TextWidth, NothingMovesTheCursor) {
  EXPECT_EQ(printable("a\x1b[31mb\nc\td\xffz"), "a\uFFFD[31mb\uFFFDc\uFFFDd\uFFFDz");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(printable("Zürich 東京"), "Zürich 東京");
}

TEST(Table, AlignsNamesAndNumbers) {
  Table table({{"NODE"}, {"VECTORS", true}, {"NOTE"}});
  table.add({"n1", "5", "ok"});
  table.add({"東京", "12345", ""});
  EXPECT_EQ(table.text({}), "NODE  VECTORS  NOTE\nn1          5  ok\n東京    12345\n");
}

TEST(Table, FitsATerminalByCuttingTheWidestColumns) {
  Table table({{"NODE"}, {"VECTORS", true}, {"NOTE"}});
  table.add({"a-node-with-a-name", "12345", std::string(500, 'x')});
  table.add({"東京東京東京東京東京", "1", "short"});
  for (const std::size_t width : {20, 40, 79, 80, 200}) {
    const auto text = table.text({width, false});
    EXPECT_LE(widest_line(text), width) << text;
    EXPECT_THAT(text, HasSubstr("…"));
  }
  EXPECT_THAT(table.text({60, false}), HasSubstr("a-node-with-a-name")) << "only what is widest is cut";
  EXPECT_THAT(table.text({0, false}), Not(HasSubstr("…")));
  EXPECT_EQ(Table({{"A"}}).text({1, false}), "A\n");
}

TEST(Table, LeavesOptionalColumnsOutBeforeNamesCannotBeRead) {
  Table table({{"NODE"}, {"STATUS"}, {"VERSION", false, true}, {"LAST SEEN", false, true}});
  table.add({"node-with-a-name", "unhealthy", "0.1.0", "2026-11-25T17:00:00.000Z"});
  EXPECT_THAT(table.text({80, false}), HasSubstr("17:00:00"));
  EXPECT_EQ(table.text({40, false}), "NODE              STATUS     VERSION\nnode-with-a-name  unhealthy  0.1.0\n");
  EXPECT_EQ(table.text({27, false}), "NODE              STATUS\nnode-with-a-name  unhealthy\n");
}

TEST(Table, HasColourOnlyWhenAskedTo) {
  Table table({{"STATUS"}});
  table.add({{"red", Tone::kBad}});
  EXPECT_EQ(table.text({0, false}), "STATUS\nred\n");
  EXPECT_THAT(table.text({0, true}), HasSubstr("\x1b[31mred\x1b[0m"));
}

TEST(Sheet, WrapsLongValuesUnderTheirBeginning) {
  Sheet sheet;
  sheet.add("status", "yellow");
  sheet.add("note", "a note of several words");
  EXPECT_EQ(sheet.text({20, false}), "status  yellow\nnote    a note of\n        several\n        words\n");
  EXPECT_EQ(sheet.text({}), "status  yellow\nnote    a note of several words\n");
}

TEST(Wrapped, BreaksWhatHasNoSpaces) {
  EXPECT_THAT(wrapped("abcdef", 4), ElementsAre("abcd", "ef"));
  EXPECT_THAT(wrapped("東京都", 3), ElementsAre("東", "京", "都"));
  EXPECT_THAT(wrapped("", 4), ElementsAre(""));
  EXPECT_THAT(wrapped("東京", 1), ElementsAre("東", "京")) << "at least one character";
}

TEST(QueryVector, IsReadAsPeopleWriteIt) {
  for (const char* text : {"[1, -2.5, 3e2]", "1,-2.5,3e2", " 1 -2.5\n+300 \n", "[1 -2.5 300]", "1 , -2.5 ,300"}) {
    const auto vector = parse_vector(text);
    ASSERT_TRUE(vector) << text << ": " << vector.error().message;
    EXPECT_THAT(*vector, ElementsAre(1.0F, -2.5F, 300.0F)) << text;
  }
}

TEST(QueryVector, SaysWhatIsWrong) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{{"", "no number"},
                                                                                    {"[]", "no number"},
                                                                                    {"[1", "brackets"},
                                                                                    {"1]", "brackets"},
                                                                                    {"[", "brackets"},
                                                                                    {"1,,2", "position 1"},
                                                                                    {"1,2,", "after the last comma"},
                                                                                    {"1 nan", "'nan' at position 1"},
                                                                                    {"inf", "'inf'"},
                                                                                    {"1e999", "'1e999'"},
                                                                                    {"1 2x", "'2x' at position 1"},
                                                                                    {"+-1", "'+-1'"},
                                                                                    {"0x10", "'0x10'"}}) {
    const auto vector = parse_vector(text);
    ASSERT_FALSE(vector) << text;
    EXPECT_THAT(vector.error().message, HasSubstr(words)) << text;
  }
}

TEST(PointId, IsANumberWhenItLooksLikeOne) {
  EXPECT_EQ(*parse_point_id("7"), json(7U));
  EXPECT_EQ(*parse_point_id("18446744073709551615"), json(18446744073709551615U));
  EXPECT_EQ(*parse_point_id("18446744073709551616"), json("18446744073709551616"));
  EXPECT_EQ(*parse_point_id("007"), json("007"));
  EXPECT_EQ(*parse_point_id("-1"), json("-1"));
  EXPECT_EQ(*parse_point_id("\"7\""), json("7"));
  EXPECT_FALSE(parse_point_id(""));
  EXPECT_FALSE(parse_point_id("\"7"));
  EXPECT_FALSE(parse_point_id(std::string(257, 'x')));
}

TEST(ExitStatus, TellsRefusalsFromFailures) {
  EXPECT_EQ(exit_status_of(400), kExitRefused);
  EXPECT_EQ(exit_status_of(401), kExitRefused);
  EXPECT_EQ(exit_status_of(404), kExitNotFound);
  EXPECT_EQ(exit_status_of(429), kExitTryLater);
  EXPECT_EQ(exit_status_of(503), kExitTryLater);
  EXPECT_EQ(exit_status_of(500), kExitFailed);
  EXPECT_EQ(exit_status_of(302), kExitFailed);
}

TEST(RefusalText, ShowsTheErrorTypeAndTheField) {
  const json body = {{"error_type", "validation_error"}, {"message", "must\nbe 1"}, {"details", {{"field", "limit"}}}};
  EXPECT_EQ(refusal_text({400, body.dump(), {}}), "validation_error: must\uFFFDbe 1 [limit] (HTTP 400)");
  EXPECT_EQ(refusal_text({502, "<html>", {}}), "HTTP 502: <html>");
  EXPECT_EQ(refusal_text({500, R"({"error_type": 3})", {}}), R"(HTTP 500: {"error_type": 3})");
}

TEST(Quantities, AreReadable) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text((1U << 20) - 1), "1.0 MiB");
  EXPECT_EQ(path_segment("a/b c%ü"), "a%2Fb%20c%25%C3%BC");
}

TEST(ClusterViews, ShowWhatIsNotAsItShouldBe) {
  const json shards = {
      {"shards",
       {{{"shard_id", 0}, {"collection", "a"}, {"primary", "n1"}, {"replicas", {"n1", "n2"}}, {"in_sync", {"n1"}}},
        {{"shard_id", 1}, {"collection", "b"}, {"primary", nullptr}, {"replicas", {"n2"}}, {"in_sync", {"n2"}}}}}};
  const auto all = shards_screen(shards, "", {});
  EXPECT_THAT(all, HasSubstr("n2 (behind)"));
  EXPECT_THAT(all, HasSubstr("none"));
  EXPECT_THAT(shards_screen(shards, "a", {}), Not(HasSubstr("none")));
  const json status = {{"status", "red"}, {"nodes", 3U}, {"active_nodes", 1U}, {"leader", nullptr}, {"formed", false}};
  EXPECT_THAT(cluster_status_screen(status, {}), HasSubstr("1 of 3 active\nleader            none"));
}

TEST(ClusterViews, SurviveAnswersOfAnotherShape) {
  for (const json& answer : {json::object(), json{{"nodes", 5}, {"shards", "x"}, {"notes", nullptr}, {"migrations", 1}},
                             json{{"nodes", {1, nullptr, "x"}}, {"shards", {nullptr, {{"replicas", {1, nullptr}}}}}}}) {
    EXPECT_FALSE(cluster_status_screen(answer, {}).empty());
    EXPECT_FALSE(nodes_screen(answer, {}).empty());
    EXPECT_FALSE(node_screen(answer, {}).empty());
    EXPECT_FALSE(shards_screen(answer, "", {}).empty());
    EXPECT_FALSE(migrations_screen(answer, {}).empty());
    change_screen(answer, {});
  }
}

TEST(Completion, IsMadeFromTheModel) {
  CLI::App program("A program", "vectorizer");
  std::string text;
  bool flag = false;
  auto* verb = program.add_subcommand("go", "It's a verb");
  verb->add_option("--mode", text, "How")->check(CLI::IsMember({"slow", "fast"}));
  verb->add_option_group("one of")->add_flag("-q,--quiet", flag, "Say nothing");
  const auto bash = completion_script(program, "bash");
  EXPECT_THAT(bash, HasSubstr("'vectorizer go --mode') COMPREPLY=($(compgen -W 'slow fast' -- \"$cur\")); return ;;"));
  EXPECT_THAT(bash, HasSubstr("--quiet"));
  EXPECT_THAT(completion_script(program, "zsh"), HasSubstr("'go:It'\\''s a verb'"));
  EXPECT_THAT(completion_script(program, "fish"), HasSubstr("-l mode -x -a 'slow fast' -d 'How'"));
  EXPECT_EQ(completion_script(program, "tcsh"), "");
}

}  // namespace
}  // namespace vectorizer::client
