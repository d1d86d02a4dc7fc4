#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "vectorizer/client/commands.hpp"

namespace vectorizer::app {
namespace {

constexpr client::CommandName kCompletion{"completion", "Print a script that completes commands in bash, zsh or fish"};

constexpr const char* kProgram = "vectorizer";
constexpr const char* kAbout = "Vector database server.\nWithout a command, serves until SIGTERM.";

/// A flag of the server that stands for a key of the configuration; the configuration checks the value.
struct SettingFlag {
  const char* flag;
  const char* key;
  const char* value;  // how the help calls it
  const char* help;
};

constexpr std::array<SettingFlag, 5> kSettingFlags{{
    {"--host", "server.host", "H", "Address to listen on"},
    {"--port", "server.port", "P", "Port of the REST API"},
    {"--data-dir", "storage.data_dir", "D", "Directory of the data"},
    {"--log-level", "log.level", "L", "trace, debug, info, warn or error"},
    {"--node-id", "cluster.node_id", "N", "Name of this node, unique in the cluster"},
}};

/// What CLI11 writes into.
struct Parsed {
  std::string file;
  std::array<std::string, kSettingFlags.size()> values;
  std::array<const CLI::Option*, kSettingFlags.size()> options{};
  const CLI::Option* file_option = nullptr;
  bool check = false;
  bool version = false;
};

void define_options(CLI::App& app, Parsed& parsed) {
  auto* const file = app.add_option("--config", parsed.file, "Configuration file (VECTORIZER_CONFIG)");
  parsed.file_option = file->type_name("FILE");
  for (std::size_t i = 0; i < kSettingFlags.size(); ++i) {
    const auto& setting = kSettingFlags[i];
    parsed.options[i] = app.add_option(setting.flag, parsed.values[i], setting.help)->type_name(setting.value);
  }
  app.add_flag("--check-config", parsed.check, "Print the effective configuration, or what is wrong with it");
  app.add_flag("--version", parsed.version, "Print the version");
  for (const auto& command : client::kCommands) app.add_subcommand(command.name, command.help)->prefix_command();
  app.add_subcommand(kCompletion.name, kCompletion.help)->prefix_command();
  app.footer(
      "Exit status of the server: 0 ok, 1 failed, 64 bad usage, 78 bad configuration.\n"
      "'vectorizer COMMAND --help' explains a command.");
}

CommandLine usage(std::string text) {
  CommandLine line;
  line.mode = Mode::kUsage;
  line.text = std::move(text);
  return line;
}

CommandLine server_command(const CLI::App& app, const Parsed& parsed) {
  CommandLine line;
  if (!app.get_subcommands().empty()) {
    return usage(fmt::format("vectorizer: options of the server do not apply to '{0}'; write 'vectorizer {0} ...'\n",
                             app.get_subcommands().front()->get_name()));
  }
  if (parsed.version) {
    line.mode = Mode::kVersion;
    return line;
  }
  if (parsed.check) line.mode = Mode::kCheckConfig;
  if (parsed.file_option->count() > 0) line.sources.file = parsed.file;
  for (std::size_t i = 0; i < kSettingFlags.size(); ++i) {
    if (parsed.options[i]->count() == 0) continue;
    line.sources.flags.push_back({kSettingFlags[i].key, parsed.values[i], kSettingFlags[i].flag});
  }
  return line;
}

}  // namespace

CommandLine parse_command_line(int count, char** arguments) {
  CommandLine line;
  const std::string_view first = count > 1 ? arguments[1] : "";
  const bool is_client = std::any_of(client::kCommands.begin(), client::kCommands.end(),
                                     [first](const auto& command) { return first == command.name; });
  if (is_client || first == kCompletion.name) {
    line.mode = is_client ? Mode::kClient : Mode::kCompletion;
    line.rest_count = count - 1;
    line.rest = arguments + 1;
    return line;
  }
  CLI::App app(kAbout, kProgram);
  Parsed parsed;
  define_options(app, parsed);
  try {
    app.parse(count, arguments);
  } catch (const CLI::CallForHelp&) {
    line.mode = Mode::kHelp;
    line.text = app.help();
    return line;
  } catch (const CLI::Error& error) {
    return usage(fmt::format("vectorizer: {}\nTry 'vectorizer --help'.\n", error.what()));
  }
  return server_command(app, parsed);
}

std::shared_ptr<CLI::App> command_model() {
  struct Model {
    Parsed parsed;
    CLI::App app{kAbout, kProgram};
  };
  auto model = std::make_shared<Model>();
  define_options(model->app, model->parsed);
  return {model, &model->app};
}

std::string problems_text(const config::Outcome& outcome) {
  std::string text;
  for (const auto& problem : outcome.problems) text += problem.to_string() + "\n";
  const auto count = outcome.problems.size();
  return text + fmt::format("vectorizer: {} problem{} in the configuration\n", count, count == 1 ? "" : "s");
}

int check_config(const config::Outcome& outcome) {
  for (const auto& note : outcome.notes) std::fputs(("note: " + note + "\n").c_str(), stderr);
  if (!outcome.ok()) {
    std::fputs(problems_text(outcome).c_str(), stderr);
    return kExitConfiguration;
  }
  std::fputs(config::to_yaml(outcome.settings).c_str(), stdout);
  return kExitOk;
}

}  // namespace vectorizer::app
