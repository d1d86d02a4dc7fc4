#include <fmt/format.h>

#include <utility>

#include "key_table.hpp"
#include "parse_value.hpp"
#include "vectorizer/config/load.hpp"

namespace vectorizer::config {
namespace {

void append_servers(std::string& out, const std::vector<ClusterServer>& servers) {
  if (servers.empty()) {
    out += "  servers: []\n";
    return;
  }
  out += "  servers:\n";
  for (auto server : servers) {
    const char* start = "    - ";
    for (const auto& key : server_keys()) {
      out += fmt::format("{}{}: {}\n", std::exchange(start, "      "), key.path, to_text(key.target(server)));
    }
  }
}

bool may_be_empty(TextRule rule) {
  return rule == TextRule::kOptional || rule == TextRule::kOptionalListenHost || rule == TextRule::kOptionalHost ||
         rule == TextRule::kSecret;
}

std::string shown_value(const SettingKey& key, Settings& settings) {
  const auto text = to_text(key.target(settings));
  return key.rule == TextRule::kSecret && text != "\"\"" ? "\"(hidden)\"" : text;
}

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

template <typename Owner>
std::string table_row(const Key<Owner>& key, Owner& defaults, std::string_view prefix, const std::string& variable) {
  const Target target = key.target(defaults);
  const bool required = to_text(target) == "\"\"" && !may_be_empty(key.rule);
  const std::string fallback = required ? "required" : "`" + to_text(target) + "`";
  return fmt::format("| `{}{}` | {} | {} | {} | {} | {} | {} |\n", prefix, key.path, type_name(target),
                     or_dash(std::string(key.unit)), fallback, or_dash(range_text(target, rules_of(key))), variable,
                     key.help);
}

}  // namespace

std::string to_yaml(const Settings& settings) {
  Settings copy = settings;  // targets are not const
  std::string out;
  std::string_view section;
  for (const auto& key : setting_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", section);
    }
    out += fmt::format("  {}: {}\n", key.path.substr(section.size() + 1), shown_value(key, copy));
  }
  append_servers(out, settings.cluster.servers);  // cluster is the last section
  return out;
}

std::string keys_as_markdown() {
  std::string out =
      "| key | type | unit | default | range | environment | meaning |\n"
      "|---|---|---|---|---|---|---|\n";
  Settings settings;
  for (const auto& key : setting_keys()) {
    out += table_row(key, settings, "", "`" + environment_name(key.path) + "`");
  }
  ClusterServer server;
  for (const auto& key : server_keys()) out += table_row(key, server, fmt::format("{}[].", kServersPath), "-");
  return out;
}

}  // namespace vectorizer::config
