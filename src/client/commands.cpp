#include "vectorizer/client/commands.hpp"

#include <CLI/CLI.hpp>

#include "command_line.hpp"

namespace vectorizer::client {
namespace {

struct Command {
  int (*run)(int, char**);
  std::shared_ptr<void> (*describe)(CLI::App&);
};

/// In the order of kCommands.
constexpr std::array<Command, kCommands.size()> kFunctions{{
    {run_cluster, describe_cluster},
    {run_collections, describe_collections},
    {run_search, describe_search},
    {run_snapshot, describe_snapshot},
    {run_import, describe_import},
    {run_export, describe_export},
    {run_restore, describe_restore},
    {run_health, describe_health},
}};

}  // namespace

int run_command(int argc, char** argv) {
  const std::string_view name(argv[0]);
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    if (name != kCommands[i].name) continue;
    std::string called = "vectorizer " + std::string(name);
    std::vector<char*> arguments(argv, argv + argc);
    arguments[0] = called.data();
    arguments.push_back(nullptr);
    return kFunctions[i].run(argc, arguments.data());
  }
  return kExitUsage;
}

std::vector<std::shared_ptr<void>> describe_commands(CLI::App& program) {
  std::vector<std::shared_ptr<void>> owners;
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    owners.push_back(kFunctions[i].describe(*program.get_subcommand(kCommands[i].name)));
  }
  return owners;
}

}  // namespace vectorizer::client
