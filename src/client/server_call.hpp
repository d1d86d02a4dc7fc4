#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "command_line.hpp"
#include "http_connection.hpp"
#include "terminal.hpp"

namespace vectorizer::client {

/// Options of a command that shows what a server says.
struct ViewOptions {
  ServerOptions server;
  bool json = false;
  bool yes = false;  ///< only where add_confirmation_to() was called

  void add_to(CLI::App& app);
  void add_confirmation_to(CLI::App& app);
};

/// The exit status for an answer that is no success.
int exit_status_of(unsigned http_status);

/// What a refusal says, in one line: "collection_not_found: ... (HTTP 404)"; the start of a body of another shape.
std::string refusal_text(const HttpReply& reply);

/// The dialogue of one command with its server. Whatever goes wrong is explained on stderr, once.
class ServerCall {
 public:
  /// `command` as it was called; it begins every message.
  ServerCall(std::string command, const ViewOptions& options);

  /// The answer of a 2xx. Nothing after a failure, which is then explained; status() is for it. It is sent once:
  /// repeating is for whoever sees the failure.
  std::optional<nlohmann::json> ask(boost::beast::http::verb method, const std::string& target,
                                    const nlohmann::json& body = nullptr);
  int status() const { return status_; }

  /// With --json the last answer goes to stdout as it is; true then.
  bool shown_as_json() const;
  /// Of the last answer.
  unsigned http_status() const { return http_status_; }
  const Terminal& terminal() const { return terminal_; }

  /// Whether to go on with what cannot be undone: --yes, or a "y" on the terminal. status() is for the rest.
  bool confirmed(const std::string& question);

  /// Prints "<command>: <message>" to stderr; `status`.
  int fail(int status, const std::string& message);

 private:
  std::optional<nlohmann::json> refused(const HttpReply& reply);

  const std::string command_;
  const ViewOptions& options_;
  HttpConnection connection_;
  const Terminal terminal_ = stdout_terminal();
  std::string body_;
  unsigned http_status_ = 0;
  int status_ = kExitDone;
};

/// Reading answers of which a part may be missing: a newer or older server must not make a table fail.
std::string text_at(const nlohmann::json& object, const char* key);
std::uint64_t number_at(const nlohmann::json& object, const char* key);
const nlohmann::json& member_at(const nlohmann::json& object, const char* key);

/// Something of a path: letters, digits and -._~ as they are, the rest percent-encoded.
std::string path_segment(std::string_view text);

/// "1,234,567"
std::string count_text(std::uint64_t count);
/// "1.5 MiB"
std::string bytes_text(std::uint64_t bytes);
/// "a, b, c"; "none" for none.
std::string list_text(const nlohmann::json& array);

}  // namespace vectorizer::client
