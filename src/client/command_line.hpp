#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "url.hpp"

namespace vectorizer::client {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitDegraded = 3;      ///< answered, and not all is well
inline constexpr int kExitRefused = 4;       ///< the server does not do it: its answer is a 4xx
inline constexpr int kExitNotFound = 5;      ///< there is none of that name
inline constexpr int kExitUsage = 64;        // EX_USAGE
inline constexpr int kExitUnreachable = 69;  // EX_UNAVAILABLE: no answer
inline constexpr int kExitTryLater = 75;     // EX_TEMPFAIL: overloaded, no leader, timed out

/// For the end of a help text.
inline constexpr const char* kExitStatusText =
    "Exit status: 0 done, 3 answered but not all is well, 4 refused, 5 not found, 64 wrong usage,\n"
    "69 no answer, 75 try again later, 1 anything else.";

/// The options that every command has.
struct ServerOptions {
  std::string url = "http://127.0.0.1:15002";  ///< or $VECTORIZER_URL
  std::string api_key;
  double timeout_seconds = 60;

  void add_to(CLI::App& app);
  std::chrono::milliseconds timeout() const;
};

/// Accepts what names a collection.
CLI::Validator collection_name();
/// Accepts what names a node.
CLI::Validator node_id();
/// Accepts what parse_url does, with its message.
CLI::Validator server_url();

/// Parses; an exit status if the command ends here: 0 after --help, 64 for wrong usage, which is explained on stderr.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

/// Prints what is wrong with the arguments, and how to get help; kExitUsage.
int report_usage(const std::string& command, const std::string& problem);

/// What somebody else wrote, for a terminal: one line, the first 1000 bytes, without control characters.
std::string printable_line(std::string_view text);

/// Prints "<command>: <message>" to stderr; kExitFailed.
int report_failure(const std::string& command, const std::string& message);

}  // namespace vectorizer::client
