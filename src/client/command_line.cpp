#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iostream>

#include "text_width.hpp"

namespace vectorizer::client {

CLI::Validator server_url() {
  return {[](const std::string& text) {
            const auto url = parse_url(text);
            return url ? std::string() : url.error().message;
          },
          "URL"};
}

namespace {

/// Names of collections and of nodes have the same alphabet.
CLI::Validator name(const char* what) {
  return {[what](const std::string& text) -> std::string {
            const auto allowed = [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.' || c == '-';
            };
            const bool good = !text.empty() && text.size() <= 255 && text.front() != '.' &&
                              std::all_of(text.begin(), text.end(), allowed);
            return good ? "" : fmt::format("{} is 1..255 of [A-Za-z0-9_.-], not starting with '.'", what);
          },
          "NAME"};
}

}  // namespace

CLI::Validator collection_name() {
  return name("a collection's name");
}

CLI::Validator node_id() {
  return name("a node's id");
}

void ServerOptions::add_to(CLI::App& app) {
  app.add_option("--url", url, "The server")->envname("VECTORIZER_URL")->check(server_url())->capture_default_str();
  app.add_option("--api-key", api_key, "Sent as a bearer token")->envname("VECTORIZER_API_KEY");
  app.add_option("--timeout", timeout_seconds, "Seconds until a request without a reply has failed")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
}

std::chrono::milliseconds ServerOptions::timeout() const {
  return std::chrono::milliseconds(static_cast<std::int64_t>(timeout_seconds * 1000));
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report_usage(argv[0], error.what());
  }
}

int report_usage(const std::string& command, const std::string& problem) {
  fmt::print(stderr, "{0}: {1}\nTry '{0} --help'.\n", command, problem);
  return kExitUsage;
}

std::string printable_line(std::string_view text) {
  constexpr std::size_t kMaxBytes = 1000;
  return printable(text.substr(0, kMaxBytes));
}

int report_failure(const std::string& command, const std::string& message) {
  fmt::print(stderr, "{}: {}\n", command, message);
  return kExitFailed;
}

}  // namespace vectorizer::client
