#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iostream>

namespace vectorizer::client {

CLI::Validator server_url() {
  return {[](const std::string& text) {
            const auto url = parse_url(text);
            return url ? std::string() : url.error().message;
          },
          "URL"};
}

CLI::Validator collection_name() {
  return {[](const std::string& name) -> std::string {
            const auto allowed = [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.' || c == '-';
            };
            const bool good = !name.empty() && name.size() <= 255 && name.front() != '.' &&
                              std::all_of(name.begin(), name.end(), allowed);
            return good ? "" : "a collection's name is 1..255 of [A-Za-z0-9_.-], not starting with '.'";
          },
          "NAME"};
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
    fmt::print(stderr, "{}: {}\nTry '{} --help'.\n", argv[0], error.what(), argv[0]);
    return kExitUsage;
  }
}

std::string printable_line(std::string_view text) {
  constexpr std::size_t kMaxBytes = 500;
  std::string line(text.substr(0, kMaxBytes));
  for (auto& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

int report_failure(const std::string& command, const std::string& message) {
  fmt::print(stderr, "{}: {}\n", command, message);
  return kExitFailed;
}

}  // namespace vectorizer::client
