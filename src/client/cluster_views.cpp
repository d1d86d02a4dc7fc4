#include "cluster_views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "server_call.hpp"

namespace vectorizer::client {
namespace {

using nlohmann::json;

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

std::string count_at(const json& object, const char* key) {
  return member_at(object, key).is_number() ? count_text(number_at(object, key)) : "-";
}

std::string address_of(const json& node) {
  const auto host = text_at(node, "address");
  const bool ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", ipv6 ? "[" : "", host, ipv6 ? "]" : "", number_at(node, "grpc_port"));
}

bool contains(const json& array, const json& entry) {
  return array.is_array() && std::find(array.begin(), array.end(), entry) != array.end();
}

struct Copies {
  std::string text;  ///< of the nodes but the primary; those that are behind are marked
  bool all_in_sync = true;
};

Copies copies_of(const json& shard) {
  Copies copies;
  const auto& in_sync = member_at(shard, "in_sync");
  for (const auto& node : member_at(shard, "replicas")) {
    if (!node.is_string() || node == member_at(shard, "primary")) continue;
    const bool behind = !contains(in_sync, node);
    copies.text += (copies.text.empty() ? "" : ", ") + node.get<std::string>() + (behind ? " (behind)" : "");
    copies.all_in_sync = copies.all_in_sync && !behind;
  }
  return copies;
}

std::string progress_of(const json& migration) {
  const auto& progress = member_at(migration, "progress");
  return progress.is_number() ? fmt::format("{:.0f}%", 100 * progress.get<double>()) : "-";
}

}  // namespace

Tone tone_of(const std::string& status) {
  constexpr std::array<std::string_view, 6> kGood{"green", "active", "complete", "done", "ready", "in_sync"};
  constexpr std::array<std::string_view, 7> kBad{"red",     "unhealthy", "failed", "damaged",
                                                 "missing", "blocked",   "removed"};
  if (std::find(kGood.begin(), kGood.end(), status) != kGood.end()) return Tone::kGood;
  return std::find(kBad.begin(), kBad.end(), status) != kBad.end() ? Tone::kBad : Tone::kWarning;
}

std::string cluster_status_screen(const json& answer, const Terminal& terminal) {
  Sheet sheet;
  const auto status = text_at(answer, "status");
  sheet.add("status", {status, tone_of(status)});
  const auto nodes = number_at(answer, "nodes");
  const auto active = number_at(answer, "active_nodes");
  sheet.add("nodes", {fmt::format("{} of {} active", active, nodes), active == nodes ? Tone::kPlain : Tone::kBad});
  const auto leader = text_at(answer, "leader");
  sheet.add("leader", leader.empty() ? Cell("none", Tone::kBad)
                                     : Cell(fmt::format("{} (term {})", leader, number_at(answer, "term"))));
  const auto lacking = number_at(answer, "under_replicated_shards");
  const auto without = number_at(answer, "unassigned_shards");
  sheet.add("shards", count_at(answer, "total_shards"));
  sheet.add("under-replicated", {count_text(lacking), lacking == 0 ? Tone::kPlain : Tone::kWarning});
  sheet.add("without primary", {count_text(without), without == 0 ? Tone::kPlain : Tone::kBad});
  if (member_at(answer, "formed") == false)
    sheet.add("formed", {"not yet: expected nodes are missing", Tone::kWarning});
  const auto& others = member_at(answer, "other_servers");
  if (!others.empty())
    sheet.add("other servers", {list_text(others) + ": their configured servers differ", Tone::kWarning});
  for (const auto& note : member_at(answer, "notes")) {
    if (note.is_string()) sheet.add("note", {note.get<std::string>(), Tone::kWarning});
  }
  return sheet.text(terminal);
}

std::string nodes_screen(const json& answer, const Terminal& terminal) {
  Table table({{"NODE"},
               {"STATUS"},
               {"ROLE"},
               {"ADDRESS"},
               {"REST", true, true},
               {"LEADS", true, true},
               {"VECTORS", true, true},
               {"VERSION", false, true},
               {"LAST SEEN", false, true}});
  std::string problems;
  for (const auto& node : member_at(answer, "nodes")) {
    const auto status = text_at(node, "status");
    table.add({text_at(node, "id"),
               {status, tone_of(status)},
               text_at(node, "role"),
               address_of(node),
               number_at(node, "rest_port") == 0 ? "-" : std::to_string(number_at(node, "rest_port")),
               count_at(node, "shard_count"),
               count_at(node, "vector_count"),
               or_dash(text_at(node, "version")),
               or_dash(text_at(node, "last_seen"))});
    const auto problem = text_at(node, "problem");
    if (problem.empty()) continue;
    Sheet sheet;
    sheet.add(text_at(node, "id"), {problem, Tone::kWarning});
    problems += sheet.text(terminal);
  }
  return table.text(terminal) + problems;
}

std::string node_screen(const json& node, const Terminal& terminal) {
  Sheet sheet;
  const auto status = text_at(node, "status");
  sheet.add("node", text_at(node, "id"));
  sheet.add("status", {status, tone_of(status)});
  sheet.add("role", or_dash(text_at(node, "role")));
  sheet.add("address", address_of(node));
  sheet.add("REST port", std::to_string(number_at(node, "rest_port")));
  sheet.add("leads", count_at(node, "shard_count"));
  sheet.add("vectors", count_at(node, "vector_count"));
  sheet.add("copies of", list_text(member_at(node, "shards")));
  sheet.add("version", or_dash(text_at(node, "version")));
  sheet.add("last seen", or_dash(text_at(node, "last_seen")));
  const auto problem = text_at(node, "problem");
  if (!problem.empty()) sheet.add("problem", {problem, Tone::kWarning});
  return sheet.text(terminal);
}

std::string shards_screen(const json& answer, const std::string& collection, const Terminal& terminal) {
  Table table({{"SHARD", true}, {"COLLECTION"}, {"PRIMARY"}, {"COPIES"}, {"VECTORS", true}});
  std::size_t rows = 0;
  for (const auto& shard : member_at(answer, "shards")) {
    if (!collection.empty() && text_at(shard, "collection") != collection) continue;
    const auto primary = text_at(shard, "primary");
    const auto copies = copies_of(shard);
    table.add({std::to_string(number_at(shard, "shard_id")),
               text_at(shard, "collection"),
               primary.empty() ? Cell("none", Tone::kBad) : Cell(primary),
               {or_dash(copies.text), copies.all_in_sync ? Tone::kPlain : Tone::kWarning},
               count_at(shard, "vector_count")});
    ++rows;
  }
  return rows == 0 ? "no shards\n" : table.text(terminal);
}

std::string migrations_screen(const json& migrations, const Terminal& terminal) {
  if (!migrations.is_array() || migrations.empty()) return "no migrations\n";
  Table table({{"ID", true},
               {"SHARD", true},
               {"COLLECTION", false, true},
               {"FROM"},
               {"TO"},
               {"WHAT", false, true},
               {"CAUSE", false, true},
               {"STATE"},
               {"DONE", true},
               {"NOTE", false, true}});
  for (const auto& row : migrations) {
    const auto state = text_at(row, "state");
    table.add({member_at(row, "id").is_number() ? std::to_string(number_at(row, "id")) : "-",
               std::to_string(number_at(row, "shard_id")),
               or_dash(text_at(row, "collection")),
               or_dash(text_at(row, "from_node")),
               or_dash(text_at(row, "to_node")),
               or_dash(text_at(row, "kind")),
               or_dash(text_at(row, "cause")),
               {state, tone_of(state)},
               progress_of(row),
               text_at(row, "note")});
  }
  return table.text(terminal);
}

std::string change_screen(const json& answer, const Terminal& terminal) {
  std::string out;
  for (const auto& line : wrapped(Cell(text_at(answer, "message")).text, terminal.width)) out += line + "\n";
  const auto& migrations = member_at(answer, "migrations");
  if (!migrations.empty()) out += migrations_screen(migrations, terminal);
  const auto& lost = member_at(answer, "lost");
  if (!lost.empty()) {
    Table table({{"LOST SHARD", true}, {"COLLECTION", false, true}, {"OLDER COPIES"}});
    for (const auto& shard : lost) {
      table.add({std::to_string(number_at(shard, "shard_id")),
                 {text_at(shard, "collection"), Tone::kBad},
                 list_text(member_at(shard, "older_copies"))});
    }
    out += table.text(terminal);
  }
  const auto note = text_at(answer, "note");
  if (!note.empty()) {
    Sheet sheet;
    sheet.add("note", {note, Tone::kWarning});
    out += sheet.text(terminal);
  }
  return out;
}

}  // namespace vectorizer::client
