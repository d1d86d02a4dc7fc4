#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cluster_views.hpp"
#include "interrupt.hpp"
#include "server_call.hpp"
#include "vectorizer/client/commands.hpp"
#include "verbs.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

constexpr std::string_view kSnapshots = "/api/v1/snapshots";

struct SnapshotOptions {
  ViewOptions view;
  std::string id, scope = "cluster";
  unsigned wait_seconds = 600;
};

CLI::Validator snapshot_id() {
  return {[](const std::string& text) -> std::string {
            const auto allowed = [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.' || c == '-';
            };
            const bool good = !text.empty() && text.size() <= 64 && text.front() != '.' &&
                              std::all_of(text.begin(), text.end(), allowed);
            return good ? "" : "a snapshot's name is 1..64 of [A-Za-z0-9_.-], not starting with '.'";
          },
          "NAME"};
}

std::string target_of(const SnapshotOptions& options, std::string_view below = "") {
  return fmt::format("{}/{}{}?scope={}", kSnapshots, path_segment(options.id), below, options.scope);
}

std::string list_screen(const json& answer, const Terminal& terminal) {
  const auto& all = member_at(answer, "snapshots");
  if (all.empty()) return "no snapshots\n";
  Table table({{"SNAPSHOT"},
               {"STATUS"},
               {"CREATED"},
               {"SIZE", true},
               {"SHARED", true, true},
               {"SHARDS", true, true},
               {"NODES", false, true}});
  for (const auto& row : all) {
    const auto status = text_at(row, "status");
    std::string nodes;
    for (const auto& node : member_at(row, "nodes")) nodes += (nodes.empty() ? "" : ", ") + text_at(node, "node");
    table.add({text_at(row, "id"),
               {status, tone_of(status)},
               text_at(row, "created_at"),
               bytes_text(number_at(row, "bytes")),
               bytes_text(number_at(row, "shared_bytes")),
               std::to_string(member_at(row, "shards").size()),
               nodes});
  }
  return table.text(terminal);
}

std::string one_screen(const json& row, const Terminal& terminal) {
  Sheet sheet;
  const auto status = text_at(row, "status");
  sheet.add("snapshot", text_at(row, "id"));
  sheet.add("status", {status, tone_of(status)});
  sheet.add("created", text_at(row, "created_at"));
  sheet.add("size", fmt::format("{}, {} of it shared with the one before", bytes_text(number_at(row, "bytes")),
                                bytes_text(number_at(row, "shared_bytes"))));
  sheet.add("shards", std::to_string(member_at(row, "shards").size()));
  Table table({{"NODE"}, {"STATUS"}, {"SIZE", true}, {"FILES", true, true}, {"VERIFIED", false, true}, {"PATH"}});
  std::string problems;
  for (const auto& node : member_at(row, "nodes")) {
    const auto state = text_at(node, "status");
    const auto verified = text_at(node, "verified_at");
    table.add({text_at(node, "node"),
               {state, tone_of(state)},
               bytes_text(number_at(node, "bytes")),
               std::to_string(number_at(node, "files")),
               verified.empty() ? "-" : verified,
               text_at(node, "path")});
    Sheet sheet_of_node;
    for (const auto& problem : member_at(node, "problems")) {
      if (problem.is_string()) sheet_of_node.add(text_at(node, "node"), {problem.get<std::string>(), Tone::kBad});
    }
    problems += sheet_of_node.text(terminal);
  }
  return sheet.text(terminal) + table.text(terminal) + problems;
}

bool goes_on(const json& snapshot) {
  const auto status = text_at(snapshot, "status");
  return status == "creating" || status == "verifying";
}

int show_result(const SnapshotOptions& options, ServerCall& call, const json& snapshot) {
  if (!call.shown_as_json()) fmt::print("{}", one_screen(snapshot, call.terminal()));
  if (!goes_on(snapshot)) return text_at(snapshot, "status") == "complete" ? kExitDone : kExitDegraded;
  return call.fail(kExitTryLater, fmt::format("still {} after {} s; `snapshot show {}` says how it ends",
                                              text_at(snapshot, "status"), options.wait_seconds, options.id));
}

/// Asks for the snapshot until it is no longer being made or verified, or the time is over.
int wait_for_end(SnapshotOptions options, ServerCall& call, const json& answer) {
  constexpr std::chrono::milliseconds kPoll{200};
  const auto& stop = stop_on_signal();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.wait_seconds);
  json snapshot = member_at(answer, "snapshot");
  options.id = text_at(snapshot, "id");
  for (;;) {
    auto now = call.ask(http::verb::get, target_of(options));
    if (!now) return call.status();
    snapshot = std::move(*now);
    if (!goes_on(snapshot) || stop.load() || std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(kPoll);
  }
  return show_result(options, call, snapshot);
}

int create(const SnapshotOptions& options, ServerCall& call) {
  json body = {{"scope", options.scope}};
  if (!options.id.empty()) body["name"] = options.id;
  const auto answer = call.ask(http::verb::post, std::string(kSnapshots), body);
  return answer ? wait_for_end(options, call, *answer) : call.status();
}

int list(const SnapshotOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, fmt::format("{}?scope={}", kSnapshots, options.scope));
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", list_screen(*answer, call.terminal()));
  return kExitDone;
}

int show(const SnapshotOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, target_of(options));
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", one_screen(*answer, call.terminal()));
  return text_at(*answer, "status") == "complete" ? kExitDone : kExitDegraded;
}

int verify(const SnapshotOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::post, target_of(options, "/verify"));
  return answer ? wait_for_end(options, call, *answer) : call.status();
}

int remove(const SnapshotOptions& options, ServerCall& call) {
  if (!call.confirmed(fmt::format("Delete snapshot {}?", options.id))) return call.status();
  const auto answer = call.ask(http::verb::delete_, target_of(options));
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("snapshot {} is deleted\n", options.id);
  return kExitDone;
}

void define(Verbs<SnapshotOptions>& verbs, SnapshotOptions& options) {
  const auto add_scope = [&options](CLI::App& verb) {
    verb.add_option("--scope", options.scope, "node: of the node that is asked, alone")
        ->check(CLI::IsMember({"cluster", "node"}))
        ->capture_default_str();
  };
  const auto add_name = [&options](CLI::App& verb) {
    verb.add_option("name", options.id, "Of the snapshot")->required()->check(snapshot_id());
  };
  const auto add_wait = [&options](CLI::App& verb) {
    verb.add_option("--wait", options.wait_seconds, "Seconds to wait for its end")
        ->check(CLI::Range(0, 86400))
        ->capture_default_str();
  };
  auto& take = verbs.add("create", "Take a snapshot, and wait until it is complete", create);
  take.add_option("--name", options.id, "Of the snapshot; made up if it is absent")->check(snapshot_id());
  add_scope(take);
  add_wait(take);
  add_scope(verbs.add("list", "All snapshots, the oldest first", list));
  for (auto* verb :
       {&verbs.add("show", "One snapshot; exit status 3 unless it is complete", show),
        &verbs.add("verify", "Compare every file with its checksum; exit status 3 if one is damaged", verify),
        &verbs.add("delete", "Delete a snapshot on every node", remove)}) {
    add_name(*verb);
    add_scope(*verb);
    if (verb->get_name() == "verify") add_wait(*verb);
    if (verb->get_name() == "delete") options.view.add_confirmation_to(*verb);
  }
}

}  // namespace

std::shared_ptr<void> describe_snapshot(CLI::App& app) {
  return describe_verbs<SnapshotOptions>(app, define);
}

int run_snapshot(int argc, char** argv) {
  return run_verbs<SnapshotOptions>(argc, argv, "Takes, lists, verifies and deletes snapshots.", define);
}

}  // namespace vectorizer::client
