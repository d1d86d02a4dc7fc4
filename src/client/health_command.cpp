#include <fmt/format.h>

#include "server_call.hpp"
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
  if (reply.status == 200 && text_at(body, "status") == "ready") return {"ready", kExitDone};
  if (reply.status == 503 && !text_at(body, "error_type").empty()) {
    const auto why = printable_line(text_at(body, "message"));
    return {why.starts_with("not ready") ? why : "not ready: " + why, kExitDegraded};
  }
  return {refusal_text(reply), kExitFailed};
}

void add_options(CLI::App& app, ViewOptions& options) {
  options.server.timeout_seconds = 5;
  options.add_to(app);
  app.footer("Exit status: 0 ready, 3 not ready, 69 no answer, 64 wrong usage, 1 anything else.");
}

}  // namespace

std::shared_ptr<void> describe_health(CLI::App& app) {
  auto options = std::make_shared<ViewOptions>();
  add_options(app, *options);
  return options;
}

int run_health(int argc, char** argv) {
  ViewOptions options;
  CLI::App app("Asks a server whether it is ready for traffic, and says so in one line.", argv[0]);
  add_options(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  HttpConnection connection(*parse_url(options.server.url), options.server.api_key, options.server.timeout());
  const auto reply = connection.send({boost::beast::http::verb::get, "/health/ready", "", ""});
  if (!reply) {
    fmt::print(stderr, "{}: {}\n", argv[0], reply.error().message);
    return kExitUnreachable;
  }
  const auto verdict = verdict_of(*reply);
  fmt::print("{}\n", options.json ? reply->body : fmt::format("{}: {}", options.server.url, verdict.text));
  return verdict.status;
}

}  // namespace vectorizer::client
