#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace vectorizer::client {

struct CommandName {
  const char* name;
  const char* help;
};

/// The subcommands that talk to a running server.
inline constexpr std::array<CommandName, 8> kCommands{{
    {"cluster", "Status, nodes and shards of a cluster; add, remove, rebalance"},
    {"collections", "List, show, create and delete collections"},
    {"search", "Find the nearest vectors of a collection"},
    {"snapshot", "Take, list, verify and delete snapshots"},
    {"import", "Send a file of vectors to a server"},
    {"export", "Write a collection of a server to a file"},
    {"restore", "Send the collections in snapshots to a server"},
    {"health", "Ask a server whether it is ready"},
}};

/// argv[0] is the name of a command, the rest are its arguments. It prints to stdout and stderr; the result is the exit
/// status: 0 done, 64 wrong usage, others as in docs/command-line.md.
int run_command(int argc, char** argv);

/// Adds what each command understands to the subcommand of that name, for who shows or completes it. What the options
/// write into lives in the result.
std::vector<std::shared_ptr<void>> describe_commands(CLI::App& program);

/// Completion of `program`, with subcommands and options as they are defined, as a script for bash, zsh or fish. Empty
/// for any other shell.
std::string completion_script(const CLI::App& program, std::string_view shell);

// The commands by themselves; argv[0] is how each was called ("vectorizer import").
int run_cluster(int argc, char** argv);
int run_collections(int argc, char** argv);
int run_export(int argc, char** argv);
int run_health(int argc, char** argv);
int run_import(int argc, char** argv);
int run_restore(int argc, char** argv);
int run_search(int argc, char** argv);
int run_snapshot(int argc, char** argv);

// What each of them understands.
std::shared_ptr<void> describe_cluster(CLI::App& app);
std::shared_ptr<void> describe_collections(CLI::App& app);
std::shared_ptr<void> describe_export(CLI::App& app);
std::shared_ptr<void> describe_health(CLI::App& app);
std::shared_ptr<void> describe_import(CLI::App& app);
std::shared_ptr<void> describe_restore(CLI::App& app);
std::shared_ptr<void> describe_search(CLI::App& app);
std::shared_ptr<void> describe_snapshot(CLI::App& app);

}  // namespace vectorizer::client
