#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "vectorizer/config/load.hpp"

namespace CLI {
class App;
}

namespace vectorizer::app {

/// sysexits.h, so that a supervisor can tell a mistake from a crash.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitDamaged = 65;  ///< the data directory cannot be used as it is; the text says what to do
inline constexpr int kExitHung = 75;     ///< the disk hangs; started again, it may not
inline constexpr int kExitConfiguration = 78;

enum class Mode : std::uint8_t {
  kServe,
  kCheckConfig,
  kVersion,
  kHelp,        ///< print `text` to stdout, exit 0
  kUsage,       ///< print `text` to stderr, exit 64
  kClient,      ///< one of client::kCommands
  kCompletion,  ///< print a script for a shell
};

/// What the command line asks for.
struct CommandLine {
  Mode mode = Mode::kServe;
  std::string text;         ///< of kHelp and kUsage
  config::Sources sources;  ///< of kServe and kCheckConfig: file and flags; the environment is not read yet
  /// Of kClient and kCompletion: the arguments from the name of the command on, for the command to parse.
  int rest_count = 0;
  char** rest = nullptr;
};

/// `arguments` as main gets them; they outlive the result.
CommandLine parse_command_line(int count, char** arguments);

/// All options and commands of the program; the commands without their own options.
std::shared_ptr<CLI::App> command_model();

/// One line per problem, and how many there are.
std::string problems_text(const config::Outcome& outcome);

/// --check-config: the effective YAML on stdout, or all problems on stderr. Gives the exit status.
int check_config(const config::Outcome& outcome);

}  // namespace vectorizer::app
