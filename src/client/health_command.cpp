#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "http_connection.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

/// What a reply of /health/ready says, and the exit status for it. One line, whatever the server sent.
struct Verdict {
  std::string text;
  int status = kExitFailed;
};

Verdict verdict_of(const HttpReply& reply) {
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  const auto text_of = [&body](const char* key) -> std::string {
    if (!body.is_object() || !body.contains(key) || !body[key].is_string()) return "";
    return printable_line(body[key].get_ref<const std::string&>());
  };
  if (reply.status == 200 && text_of("status") == "ready") return {"ready", kExitDone};
  if (reply.status == 503 && !text_of("error_type").empty()) {
    const auto why = text_of("message");
    return {why.starts_with("not ready") ? why : "not ready: " + why, kExitDegraded};
  }
  return {fmt::format("HTTP {}: {}", reply.status, printable_line(reply.body)), kExitFailed};
}

}  // namespace

int run_health(int argc, char** argv) {
  ServerOptions server;
  server.timeout_seconds = 5;
  bool as_json = false;
  CLI::App app(
      "Asks a server whether it is ready for traffic, and says so in one line.\n"
      "Exit status: 0 ready, 3 not ready, 69 it does not answer, 64 wrong usage, 1 anything else.",
      argv[0]);
  app.add_flag("--json", as_json, "Print the answer of /health/ready as it is");
  server.add_to(app);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  HttpConnection connection(*parse_url(server.url), server.api_key, server.timeout());
  const auto reply = connection.send({boost::beast::http::verb::get, "/health/ready", "", ""});
  if (!reply) {
    fmt::print(stderr, "{}: {}\n", argv[0], reply.error().message);
    return kExitUnreachable;
  }
  const auto verdict = verdict_of(*reply);
  fmt::print("{}\n", as_json ? reply->body : fmt::format("{}: {}", server.url, verdict.text));
  return verdict.status;
}

}  // namespace vectorizer::client
