#include "server_call.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <utility>

#include "text_width.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

/// A screen is no place for more; bulk goes through `export`.
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{64} << 20;

}  // namespace

void ViewOptions::add_to(CLI::App& app) {
  app.add_flag("--json", json, "Print the server's answer as it is");
  server.add_to(app);
}

void ViewOptions::add_confirmation_to(CLI::App& app) {
  app.add_flag("-y,--yes", yes, "Do not ask for confirmation");
}

int exit_status_of(unsigned http_status) {
  switch (http_status) {
    case 404:
      return kExitNotFound;
    case 429:
    case 503:
    case 504:
      return kExitTryLater;
    default:
      return http_status >= 400 && http_status < 500 ? kExitRefused : kExitFailed;
  }
}

std::string refusal_text(const HttpReply& reply) {
  const auto body = json::parse(reply.body, nullptr, false);
  const auto type = text_at(body, "error_type");
  if (type.empty()) return fmt::format("HTTP {}: {}", reply.status, printable_line(reply.body));
  auto text = fmt::format("{}: {}", type, text_at(body, "message"));
  const auto field = text_at(member_at(body, "details"), "field");
  if (!field.empty() && text.find(field) == std::string::npos) text += fmt::format(" [{}]", field);
  return printable_line(text) + fmt::format(" (HTTP {})", reply.status);
}

ServerCall::ServerCall(std::string command, const ViewOptions& options)
    : command_(std::move(command)),
      options_(options),
      connection_(*parse_url(options.server.url), options.server.api_key, options.server.timeout(), kMaxAnswerBytes) {}

int ServerCall::fail(int status, const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", command_, message);
  status_ = status;
  return status;
}

std::optional<json> ServerCall::refused(const HttpReply& reply) {
  if (options_.json && json::accept(reply.body)) fmt::print("{}\n", reply.body);
  fail(exit_status_of(reply.status), refusal_text(reply));
  return std::nullopt;
}

std::optional<json> ServerCall::ask(http::verb method, const std::string& target, const json& body) {
  auto reply = connection_.send(
      {method, target, body.is_null() ? "" : body.dump(-1, ' ', false, json::error_handler_t::replace), ""});
  if (!reply) {
    const bool too_large = reply.error().type == ErrorType::kPayloadTooLarge;
    fail(too_large ? kExitFailed : kExitUnreachable, reply.error().message);
    return std::nullopt;
  }
  http_status_ = reply->status;
  if (reply->status < 200 || reply->status >= 300) return refused(*reply);
  auto answer = json::parse(reply->body, nullptr, false);
  if (!answer.is_object()) {
    fail(kExitFailed, fmt::format("{} answered something else than JSON; is it a vectorizer? {}", options_.server.url,
                                  printable_line(reply->body).substr(0, 200)));
    return std::nullopt;
  }
  body_ = std::move(reply->body);
  return answer;
}

bool ServerCall::shown_as_json() const {
  if (options_.json) fmt::print("{}\n", body_);
  return options_.json;
}

bool ServerCall::confirmed(const std::string& question) {
  if (options_.yes) return true;
  if (!can_ask()) {
    fail(kExitUsage, "this cannot be undone, and nobody is there to be asked: add --yes");
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", printable(question));
  std::fflush(stderr);
  std::array<char, 64> line{};
  const bool answered = std::fgets(line.data(), static_cast<int>(line.size()), stdin) != nullptr;
  const std::string_view answer(line.data());
  if (answered && (answer == "y\n" || answer == "Y\n" || answer == "yes\n")) return true;
  fail(kExitFailed, "not confirmed, nothing was done");
  return false;
}

const json& member_at(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text_at(const json& object, const char* key) {
  const auto& member = member_at(object, key);
  return member.is_string() ? member.get<std::string>() : "";
}

std::uint64_t number_at(const json& object, const char* key) {
  const auto& member = member_at(object, key);
  return member.is_number_unsigned() ? member.get<std::uint64_t>() : 0;
}

std::string path_segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string count_text(std::uint64_t count) {
  auto text = std::to_string(count);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string list_text(const json& array) {
  std::string text;
  if (array.is_array()) {
    for (const auto& entry : array) {
      text += (text.empty() ? "" : ", ") + (entry.is_string() ? entry.get<std::string>() : entry.dump());
    }
  }
  return text.empty() ? "none" : text;
}

}  // namespace vectorizer::client
