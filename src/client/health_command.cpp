#include <fmt/format.h>

#include <cstdio>

#include "command_line.hpp"
#include "http_connection.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {

int run_health(int argc, char** argv) {
  ServerOptions server;
  server.timeout_seconds = 5;
  CLI::App app("Asks a server whether it is alive; the exit status is 0 if it says so.", argv[0]);
  server.add_to(app);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  HttpConnection connection(*parse_url(server.url), server.api_key, server.timeout());
  const auto reply = connection.send({boost::beast::http::verb::get, "/health", "", ""});
  if (!reply) return report_failure(argv[0], reply.error().message);
  if (reply->status != 200) return report_failure(argv[0], fmt::format("HTTP {}: {}", reply->status, reply->body));
  fmt::print("{}\n", reply->body);
  return kExitDone;
}

}  // namespace vectorizer::client
